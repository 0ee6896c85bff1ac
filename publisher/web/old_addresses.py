"""Where addresses of our own past, and of other programs, lead today; and what is gone for good."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from publisher.core.model import Site
from publisher.web.pages import Pages

_RSS = frozenset({"rss", "rss2", "rdf", "rss.xml", "index.xml", "feed.xml", "feed"})
_ATOM = frozenset({"atom", "atom.xml"})
_JSON = frozenset({"json", "feed.json"})


class Past(Protocol):
    """What this module asks of the store; called in a thread."""

    def is_withdrawn(self, article_slug: str) -> bool:
        """Whether an article that had this page was public and was withdrawn."""

    def elsewhere(self, article_slug: str) -> str:
        """Where a public article that had this page is read now; empty unless elsewhere."""

    def category_now(self, former_slug: str) -> str | None:
        """The slug of the category that once had this one."""

    def is_retired(self, category_slug: str) -> bool:
        """Whether the category was given up."""


class OldAddresses:
    """Answers for what is not there any more, at least not under this address."""

    def __init__(self, site: Site, pages: Pages, past: Past) -> None:
        self._root = site.url
        self._pages = pages
        self._past = past

    def answer(self, segments: Sequence[str]) -> Response | None:
        """410 for what was withdrawn or retired, 308 for what has moved; None for the unknown."""
        match tuple(segments):
            case ("feeds", "articles", slug, *_) if self._past.is_withdrawn(slug):
                return self._pages.message(
                    410, "This article was withdrawn", "The editors took it back."
                )
            case ("feeds", "articles", slug, *_) if address := self._past.elsewhere(slug):
                return _redirect(address)
            case ("feeds", slug, *rest):
                if now := self._past.category_now(slug):
                    return self._moved(("feeds", now, *rest))
                if self._past.is_retired(slug):
                    return self._pages.message(
                        410, "This section has ended", "Nothing more will appear in it."
                    )
                return None
        known = target(segments)
        return self._moved(known) if known else None

    def _moved(self, segments: Sequence[str]) -> Response:
        path = "/".join(quote(each, safe="") for each in segments)
        return _redirect(f"{self._root}/{path}")


def _redirect(address: str) -> Response:
    # Not for ever, as browsers have it: a renaming may be turned back.
    return RedirectResponse(address, 308, {"Cache-Control": "public, max-age=600"})


def target(segments: Sequence[str]) -> tuple[str, ...] | None:
    """The path below our root that a well-known address of another program stands for.

    `/feed/`, `/rss.xml`, `/atom.xml` and their like lead to the feeds of everything, WordPress's
    `/category/<parent>/<slug>/feed/` to those of a category. None: we know of no such address.
    """
    names = tuple(filter(None, segments))
    match names:
        case ("feed",):
            return ("feeds", "all", "rss.xml")
        case ("feed", kind) | (kind,) if file := _file(kind):
            return ("feeds", "all", file)
        case ("category", *_, slug, "feed"):
            return ("feeds", slug, "rss.xml")
        case ("category", *_, slug, "feed", kind) if file := _file(kind):
            return ("feeds", slug, file)
        case ("category", *_, slug):
            return ("feeds", slug, "")
    return None


def _file(kind: str) -> str | None:
    if kind in _RSS:
        return "rss.xml"
    if kind in _ATOM:
        return "atom.xml"
    return "feed.json" if kind in _JSON else None
