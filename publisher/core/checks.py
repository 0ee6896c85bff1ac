"""What the values an operator writes must look like.

Each check returns the value as the program uses it, or raises ValueError with what is wrong in
words that follow the name of the key: "'Europe/Berln' is not a time zone".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import time
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from typing import TypeVar
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from publisher.core.addresses import check, parse_mailbox
from publisher.core.identity import RESERVED
from publisher.core.identity import slug as slug_of
from publisher.core.links import ascii_host
from publisher.core.model import Cadence
from publisher.core.schedule import WEEKDAYS, parse_at
from publisher.errors import PermanentError

T = TypeVar("T", bound=str)

_NUMBER = re.compile(r"-?[0-9]{1,18}")
# zoneinfo reads files by this name: nothing may lead out of its folder, and some files in there
# are no zones of the world (`localtime` is this machine's; `right/…` counts leap seconds).
_ZONE = re.compile(r"(?!localtime|posix|right/)[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SLUG_LENGTH = 50
_TEMPLATE = re.compile(r"[A-Za-z0-9_-]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LIST_ID = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~"
_NOT_IN_CATEGORIES = re.compile(r"[\s/\\]")


def line(value: str) -> str:
    if not value or _CONTROLS.search(value):
        raise ValueError(f"{value!r} is not one line of text")
    return value


def whole(value: object, low: int, high: int) -> int:
    """A number from `low` to `high`, also written as text (as the environment does)."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = int(value)
    # bool is an int to Python, and `port = true` a slip.
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError(f"{shown(value)} is not a whole number from {low} to {high}")
    if not low <= number <= high:
        raise ValueError(f"{number} is not a whole number from {low} to {high}")
    return number


def zone(value: str) -> str:
    try:
        if _ZONE.fullmatch(value):
            ZoneInfo(value)
            return value
    except (KeyError, ValueError, OSError):
        pass
    raise ValueError(f"{value!r} is not a time zone (one is like 'Europe/Berlin')")


def time_of_day(value: object) -> time:
    if isinstance(value, str):
        return parse_at(value)
    raise ValueError(f'a time of day is written like "07:00", in quotes, not {shown(value)}')


def weekday(value: object) -> int:
    """0 for "mon" to 6 for "sun"."""
    if isinstance(value, str) and value in WEEKDAYS:
        return WEEKDAYS.index(value)
    raise ValueError(f"{shown(value)} is not a weekday ({', '.join(WEEKDAYS)})")


def cadence(value: object) -> Cadence:
    try:
        return Cadence(str(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not a cadence ({', '.join(Cadence)})") from None


def language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not a language (one is like 'en' or 'pt-BR')")
    return value


def slug(value: str) -> str:
    """It stands in addresses, file names and the List-Id."""
    if not _SLUG.fullmatch(value) or len(value) > _SLUG_LENGTH:
        raise ValueError(
            f"{value!r} is not a slug (letters a-z, digits and single hyphens between them, "
            f"at most {_SLUG_LENGTH})"
        )
    return value


def template(value: str) -> str:
    if not _TEMPLATE.fullmatch(value):
        raise ValueError(f"{value!r} is not a template's name (letters, digits, - and _)")
    return value


def category(value: str) -> str:
    """A category's slug or `*`; in any script, so only what can be none is refused."""
    unfit = not value or _NOT_IN_CATEGORIES.search(value) or _CONTROLS.search(value)
    if unfit or value != value.casefold():
        raise ValueError(f"{value!r} is not a category's slug; did you mean {slug_of(value)!r}?")
    return value


def category_slug(value: str) -> str:
    """One category's own slug: as this program would write it, and none that it reserves."""
    if value != slug_of(value) or value in RESERVED:
        raise ValueError(f"{value!r} is not a category's slug, which is like 'world-news'")
    return value


def some(values: tuple[T, ...]) -> tuple[T, ...]:
    """At least one, each once."""
    if not values:
        raise ValueError("the list is empty")
    return each_once(values)


def each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"{str(value)!r} is given twice")
    return values


def address(value: str) -> str:
    try:
        return check(value)
    except PermanentError as error:
        raise ValueError(str(error)) from None


def mailbox(value: str) -> str:
    """`Name <address>` or an address alone, as it was written."""
    try:
        parse_mailbox(line(value))
    except PermanentError as error:
        raise ValueError(str(error)) from None
    return value


def list_id(value: str) -> str:
    if not _LIST_ID.fullmatch(value):
        raise ValueError(f"{value!r} is not a list id, which is like 'daily.news.example'")
    return value


def web_url(value: str) -> str:
    """An absolute http(s) address without user, query or fragment; its host in small ASCII."""
    wrong = ValueError(
        f"{_without_login(value)!r} is not an address like 'https://news.example' "
        "(http or https, a host, no user, no ? and no #)"
    )
    if _NOT_IN_URLS.search(value) or "?" in value or "#" in value:
        raise wrong
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
        # Tags, Message-IDs and List-Ids are made of it, and those are ASCII.
        name = f"[{host}]" if ":" in host else ascii_host(host)
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not name or "@" in parts.netloc:
        raise wrong
    path = quote(parts.path, safe=_PATH_CHARACTERS)
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}"


def base_url(value: str) -> str:
    """`web_url` without slashes at the end, fit to have a path added."""
    return web_url(value).rstrip("/")


def hub(value: str) -> str:
    """As `web_url`, always with a path, and it may have a query."""
    address, mark, query = value.partition("?")
    try:
        found = web_url(address)
    except ValueError:
        found = ""
    if not found or _NOT_IN_URLS.search(query) or "#" in query:
        raise ValueError(
            f"{_without_login(value)!r} is not the address of a hub, like 'https://hub.example/' "
            "(http or https, a host, no user and no #)"
        )
    path = "" if urlsplit(found).path else "/"
    return f"{found}{path}{mark}{quote(query, safe=_PATH_CHARACTERS + '?')}"


def origin(value: str) -> str:
    """Scheme, host and port alone, like https://images.news.example; or `*` for everywhere."""
    if value == "*":
        return value
    found = base_url(value)
    if urlsplit(found).path:
        raise ValueError(f"{value!r} is not like 'https://images.news.example', nor '*'")
    return found


def network(value: str) -> str:
    """An IP address, or a network like 10.0.0.0/8."""
    try:
        ip_network(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is not an IP address, nor a network like '10.0.0.0/8'"
        ) from None
    return value


def domain_of(url: str) -> str:
    """The domain of a checked address; empty where it has none (an IP address, `localhost`)."""
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host if "." in host else ""
    return ""


def shown(value: object) -> str:
    """A refused value as an error repeats it; what is in lists and tables may be a password."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "a list"
    return "a table" if isinstance(value, Mapping) else str(value)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A clause that names the nearest of the known words; empty when none is near."""
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _without_login(url: str) -> str:
    """What stands before an @ may be a password."""
    return re.sub(r"^(.*?//)?.*@", r"\1…@", url)
