"""Names that never change once given: article ids, slugs, and the hashes that tell same from other.

Slugs and keys are case-folded and normalised (NFKC), so that one name is one path however it was
typed and whatever the file system thinks of case and accents.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime
from itertools import count
from urllib.parse import quote

from publisher.core.links import ascii_host

SLUG_BYTES = 80
KEY_BYTES = 800
RESERVED = frozenset({"all", "articles", "static", "page"})
"""What the feeds folder has other uses for."""

_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.ASCII)
_HASH_DIGITS = 8
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Letters and marks by category that show nothing: combining grapheme joiner, Hangul fillers, Khmer
# inherent vowels, Mongolian and other variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_TAG_TOKEN = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_PORT = re.compile(r"^(\[.*\]|[^:]*):[0-9]*$")
_HOST = re.compile(r"[a-z0-9._-]+", re.ASCII)


def mint_article_id(host: str, year: int, number_or_token: str) -> str:
    """A new article's id, a `tag:` URI (RFC 4151); `host` may carry a port, which is left out.

    Raises ValueError when host, year or token cannot stand in such a URI.
    """
    if not _TAG_TOKEN.fullmatch(number_or_token):
        raise ValueError(f"cannot make an article id of {number_or_token!r}")
    return f"{_authority(host, year)}:article:{number_or_token}"


def feed_id(host: str, year: int, first_slug: str) -> str:
    """The id of a category's feed, the same in every format and on every archive document.

    Raises ValueError when host or year cannot stand in a `tag:` URI.
    """
    return f"{_authority(host, year)}:feed:{quote(first_slug, safe='')}"


def _authority(host: str, year: int) -> str:
    name = _PORT.sub(r"\1", host.strip()).rstrip(".").lower()
    name = name.strip("[]").replace(":", "-").strip("-")  # an IPv6 address has no form of its own
    if not name.isascii():
        name = ascii_host(name)
    if not _HOST.fullmatch(name) or not 1000 <= year <= 9999:
        raise ValueError(f"cannot make an id of the host {host!r} and the year {year}")
    return f"tag:{name},{year}"


def category_key(name: str) -> str:
    """What two spellings of one category name have in common; safe to store whatever came in."""
    return indexable(_settled(name, lambda text: " ".join(_UNSTORABLE.sub(" ", text).split())))


def indexable(name: str) -> str:
    """`name`, or of one longer than `KEY_BYTES` its beginning with a hash: a database's index takes
    no row of more than some 2,700 bytes."""
    written = name.encode("utf-8", "replace")
    if len(written) <= KEY_BYTES:
        return name
    return f"{written[: KEY_BYTES - 40].decode(errors='ignore')}…{stable_hash(name)}"


def slug(name: str) -> str:
    """`name` as one segment of a path: letters and digits of any script, the rest `-`.

    At most 80 bytes of UTF-8. A short hash of the name stands at its end when it was cut or means a
    device to Windows, and alone when nothing of the name can be kept.
    """
    words = _words(name)
    if not words:
        return _hash(name)
    cut = len(words.encode()) > SLUG_BYTES
    return _hashed(words, name) if cut or _WINDOWS_DEVICE.fullmatch(words) else words


def unique_slug(
    name: str,
    taken: Callable[[str], bool] | Container[str],
    reserved: Container[str] = RESERVED,
) -> str:
    """`slug(name)`, or the same with a short hash when that is reserved or taken."""
    is_taken = taken if callable(taken) else taken.__contains__
    return next(
        each for each in possible_slugs(name) if each not in reserved and not is_taken(each)
    )


def possible_slugs(name: str, bearer: str = "") -> Iterator[str]:
    """`slug(name)`, then without end the same with one short hash after another.

    `bearer` is something that others of the same name have otherwise: with it hardly more than the
    first two are ever needed, although thousands of articles have the same title.
    """
    yield slug(name)
    words = _words(name)
    for attempt in count():
        yield _hashed(words, name, *([bearer] if bearer else []), *([attempt] if attempt else []))


def kept_slug(
    wish: str,
    taken: Callable[[str], bool] | Container[str],
    reserved: Container[str] = RESERVED,
) -> str:
    """`wish` as it is where it is fit to be a slug (it may hold `_`), else a slug made of it."""
    is_taken = taken if callable(taken) else taken.__contains__
    plain = wish.replace("_", "0")
    fit = slug(plain) == plain and wish not in reserved and not is_taken(wish)
    return wish if fit else unique_slug(wish, taken, reserved)


def stable_hash(*parts: object) -> str:
    """32 hexadecimal digits that are the same for the same values, on every machine and for ever.

    Takes str, int, bool, None, aware datetimes (the same moment is the same value in any zone), and
    lists, tuples and mappings with str keys of these. Raises TypeError for anything else and
    ValueError for a naive datetime.
    """
    text = json.dumps(parts, default=_plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def address_hash(address_key: str, key: bytes) -> str:
    """What a suppression keeps of an address; without the key nobody can tell which it was."""
    return hmac.new(key, address_key.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _words(name: str) -> str:
    return _settled(name, _joined)


def _joined(text: str) -> str:
    """The words of `text` with one `-` between them."""
    kept: list[str] = []
    for char in text:
        category = unicodedata.category(char)
        if category == "Cf" or _INVISIBLE.match(char):
            continue  # soft hyphens, joiners, direction marks: a word goes on across them
        # A mark belongs to the letter before it: without its vowel signs a Hindi or Thai word is
        # another word. Enclosing marks (Me), such as a keycap, are drawings.
        is_mark = category in ("Mn", "Mc") and kept and kept[-1] != "-"
        if char.isalnum() or is_mark:
            kept.append(char)
        elif kept and kept[-1] != "-":
            kept.append("-")
    return "".join(kept).rstrip("-")


def _settled(text: str, step: Callable[[str], str]) -> str:
    """`text` after case-folding, `step` and NFKC, repeated until the three together alter nothing.

    One round is not enough: what `step` takes out can bring together characters that compose, and
    what they compose to can be folded again.
    """
    text = unicodedata.normalize("NFKC", text)
    while (folded := unicodedata.normalize("NFKC", step(text.casefold()))) != text:
        text = folded
    return text


def _hashed(words: str, name: str, *more: str | int) -> str:
    """`words`, cut to leave room at a character's border, and the hash."""
    room = SLUG_BYTES - _HASH_DIGITS - 1
    head = words.encode()[:room].decode(errors="ignore").rstrip("-")
    return f"{head}-{_hash(name, *more)}" if head else _hash(name, *more)


def _hash(name: str, *more: str | int) -> str:
    return stable_hash(category_key(name), *more)[:_HASH_DIGITS]


def _plain(value: object) -> dict[str, str]:
    if not isinstance(value, datetime):
        raise TypeError(f"no stable hash for a {type(value).__name__}")
    if value.tzinfo is None:
        raise ValueError(f"no stable hash for a datetime without a zone: {value}")
    return {"datetime": value.astimezone(UTC).isoformat()}
