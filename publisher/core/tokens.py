"""Signed words for links in mails: short, the same at every making, valid for one purpose for ever.

A token is `<key id>.<payload>.<signature>`. The key id stands in the clear, so that old links still
work after the operator's key was changed; it is signed along with the rest.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from itsdangerous import BadData, URLSafeSerializer

from publisher.errors import PermanentError

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class Purpose(StrEnum):
    """What a token may be used for; it is worth nothing for anything else."""

    UNSUBSCRIBE = "unsubscribe"
    """Payload: the subscription's id."""
    CONFIRM = "confirm"
    """Payload: the subscriber's id, and when it was asked for (microseconds since 1970)."""
    PREFERENCES = "preferences"
    """Payload: the subscriber's id and token version; see `core.preferences`."""
    ADDRESS = "address"
    """Payload: the subscriber's id and token version, and when the change of address was asked for
    (microseconds since 1970)."""


class BadTokenError(PermanentError):
    """A token that we did not make for this purpose, or that was altered or cut on its way."""


def sign(purpose: Purpose, payload: Sequence[int | str], key_id: str, key: bytes) -> str:
    """The token that carries `payload` (readable by anyone who sees it).

    Raises ValueError when `key_id` is not 1 to 32 ASCII letters, digits, `-` or `_`.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError(f"not a key id: {key_id!r}")
    return f"{key_id}.{_serializer(purpose, key_id, key).dumps(list(payload))}"


def read(purpose: Purpose, token: str, keys: Mapping[str, bytes]) -> list[int | str]:
    """The payload signed into `token` with one of `keys` (by key id); raises BadTokenError."""
    key_id, dot, signed = token.partition(".")
    key = keys.get(key_id)
    if not dot or key is None or not token.isascii():
        raise BadTokenError("the link was cut short, altered or made by someone else")
    try:
        payload: list[int | str] = _serializer(purpose, key_id, key).loads(signed)
    except BadData as error:
        raise BadTokenError("the link was cut short, altered or made by someone else") from error
    # Base64 ignores the last bits of its last letter: four spellings would pass as one signature.
    if not hmac.compare_digest(token, sign(purpose, payload, key_id, key)):
        raise BadTokenError("the link was altered")
    return payload


def _serializer(purpose: Purpose, key_id: str, key: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(
        key,
        salt=f"publisher/{purpose}/{key_id}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
