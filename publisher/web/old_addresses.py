"""Where addresses of other programs, and of our own past, lead today."""

from collections.abc import Sequence

_RSS = frozenset({"rss", "rss2", "rdf", "rss.xml", "index.xml", "feed.xml", "feed"})
_ATOM = frozenset({"atom", "atom.xml"})
_JSON = frozenset({"json", "feed.json"})


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
