"""Where things stand in the world: the one address of each article, page and feed, in ASCII."""

import re
import unicodedata
from urllib.parse import quote, urlsplit

from publisher.core.model import Article, Candidate, Site

ALL = "all"
"""The slug of the feed of every category together; no category has it."""

_LONGEST = 2000  # longer ones no browser is sure to open
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.ASCII)
_IN_USER = "!$&'()*+,;=:~%"  # RFC 3986 3.2.1, and what is encoded already
_IN_PATH = _IN_USER + "@/"
_IN_QUERY = _IN_PATH + "?"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IGNORED_IN_HOSTS = re.compile("[\u00ad\u200b\u2060\ufe00-\ufe0f]")
_PUNYCODE = "xn--"


def feeds_url(site: Site) -> str:
    """The front page."""
    return f"{site.url}/feeds/"


def category_url(site: Site, slug: str) -> str:
    """A category's archive page; its feeds stand beside it (`rss.xml`, `atom.xml`, `feed.json`)."""
    return f"{feeds_url(site)}{quote(slug, safe='')}/"


def article_url(site: Site, article: Article) -> str:
    """Where an article is read: at its own address, or on its page here."""
    return web_address(article.url) or f"{feeds_url(site)}articles/{quote(article.slug, safe='')}/"


def edition_url(site: Site, name: str) -> str:
    """Where everybody can read an edition (`VariantContent.name`)."""
    return f"{site.url}/editions/{name}"


def subscribe_url(site: Site) -> str:
    """Where readers sign up for newsletters."""
    return f"{site.url}/subscribe"


def has_own_page(article: Article) -> bool:
    """Whether it is read here, as it has no address of its own that could be opened."""
    return not web_address(article.url)


def within(site: Site, url: str) -> str:
    """As a page here links to it: from the root where it is ours, in full where it is not."""
    ours = feeds_url(site)
    return urlsplit(ours).path + url.removeprefix(ours) if url.startswith(ours) else url


def web_address(url: str) -> str:
    """An http(s) address as every program can open it: in ASCII (RFC 3986), its host by a name.

    Empty where it is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else ascii_host(host)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ""
    user, at, _ = parts.netloc.rpartition("@")
    address = (
        f"{parts.scheme}://{_quoted(user, _IN_USER)}{at}{host}{f':{port}' if port else ''}"
        f"{_quoted(parts.path, _IN_PATH) or '/'}"
        f"{'?' if parts.query else ''}{_quoted(parts.query, _IN_QUERY)}"
        f"{'#' if parts.fragment else ''}{_quoted(parts.fragment, _IN_QUERY)}"
    )
    return address if len(address) <= _LONGEST else ""


def addresses_of(article: Article | Candidate) -> list[tuple[str, str]]:
    """Every address that an article gives of something beside its text, and of what."""
    found = [("its address", article.url)]
    if article.image:
        found.append(("its picture", article.image.url))
    found += [("an enclosure", each.url) for each in article.enclosures]
    found += [("something related", each.url) for each in article.related]
    return [(what, url) for what, url in found if url]


def ascii_host(host: str) -> str:
    """A host's name as a browser asks for it (UTS #46): in small letters, Punycode beyond ASCII.

    Python's own codec is of 2003, when `straße` was `strasse`: today that is another's name.
    Raises ValueError where a part of it is empty or too long (RFC 1035 2.3.4).
    """
    name = unicodedata.normalize("NFKC", _IGNORED_IN_HOSTS.sub("", host)).lower()
    name = unicodedata.normalize("NFKC", name).replace("。", ".")
    labels = [
        label if label.isascii() else _PUNYCODE + label.encode("punycode").decode("ascii")
        for label in name.removesuffix(".").split(".")
    ]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{host!r} is no name of a host")
    return ".".join(labels)


def shown_host(url: str) -> str:
    """The host of a web address as people write it."""
    labels = (urlsplit(url).hostname or "").removeprefix("www.").split(".")
    return ".".join(map(_shown_label, labels))


def _quoted(part: str, allowed: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", part), safe=allowed, errors="replace")


def _shown_label(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    try:
        return label.removeprefix(_PUNYCODE).encode("ascii").decode("punycode")
    except UnicodeError:
        return label
