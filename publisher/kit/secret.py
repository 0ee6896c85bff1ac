"""The keys that sign links and hash suppressed addresses: files made at first use, for us alone."""

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from publisher.errors import ConfigurationError

_KEY_BYTES = 32
_SHORTEST_SECRET = 16
_LINE = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,32})[ \t]+(?P<key>(?:[0-9a-fA-F]{2}){16,128})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    current: tuple[str, bytes] = field(repr=False)
    """Id and key that new signatures are made with."""
    all: Mapping[str, bytes] = field(repr=False)
    """The current one and the older ones, which verify what they once signed."""


def load(path: Path, environ_value: str | None) -> SigningKeys:
    """The signing keys from the file `path`, made when it is missing; `environ_value`
    (PUBLISHER_SECRET) replaces it, so that many machines can share one without a file.

    The file holds a line `id hex` a key; the last one is current. To change keys, add a line.

    Raises ConfigurationError when the file is damaged or open to others, cannot be made, or the
    value is too short to be a secret.
    """
    keys = _read_or_make(path) if environ_value is None else _from_environment(environ_value)
    return SigningKeys(current=list(keys.items())[-1], all=keys)


def load_suppression_key(path: Path) -> bytes:
    """The key that suppressed addresses are hashed with, from a file made like the signing keys'.

    It is never changed: with another key every suppressed address would be a stranger again.
    Raises ConfigurationError as `load` does, and for a file with more than one key.
    """
    keys = _read_or_make(path)
    if len(keys) > 1:
        raise ConfigurationError(
            f"{path} holds {len(keys)} keys; it takes one, which must stay the first ever made"
        )
    return next(iter(keys.values()))


def _from_environment(value: str) -> dict[str, bytes]:
    secret = value.strip()
    if len(secret) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"PUBLISHER_SECRET has fewer than {_SHORTEST_SECRET} characters; take a longer one, "
            "for instance from `openssl rand -hex 32`"
        )
    key = hashlib.sha256(b"publisher signing key\0" + os.fsencode(secret)).digest()
    return {_id_of(key): key}


def _read_or_make(path: Path) -> dict[str, bytes]:
    try:
        if not path.exists():
            _make(path)
        text = _read_private(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used: {error.strerror}") from error
    return _parse(path, text)


def _make(path: Path) -> None:
    """Makes the file whole or not at all; leaves it alone when another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(_KEY_BYTES)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(f"{_id_of(key)} {key.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        # A rename would replace the key that another process made and signs with already.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_private(path: Path) -> str:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            raise ConfigurationError(
                f"{path} is open to every user of this machine; run `chmod 600 {path}`"
            )
        return file.read().decode("utf-8", "replace")


def _parse(path: Path, text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.split("\n"), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        found = _LINE.fullmatch(written)
        if found is None:
            raise ConfigurationError(
                f"{path}, line {number}: not a key (an id, a space and at least 32 hex digits); "
                "restore the file from a backup"
            )
        if found["id"] in keys:
            raise ConfigurationError(f"{path}, line {number}: this id stands on an earlier line")
        keys[found["id"]] = bytes.fromhex(found["key"])
    if not keys:
        raise ConfigurationError(
            f"{path} holds no key; restore it from a backup, or remove it to have a new one made "
            "(what the lost key signed or hashed is then no longer recognised)"
        )
    return keys


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"publisher key id\0" + key).hexdigest()[:8]
