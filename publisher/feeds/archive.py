"""How a category's articles are shared out over its archive pages: arithmetic only.

Pages are numbered from the oldest article, so that a full page stays as it is for good; the
category's first page holds what is newer than the last full one, between one page and two of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

PAGE = 20


def full_pages(count: int) -> int:
    """How many numbered pages `count` articles fill."""
    return max(0, count // PAGE - 1)


def on_index(count: int) -> int:
    """How many of the newest articles stand on the category's first page."""
    return count - PAGE * full_pages(count)


def page_of(older: int) -> int:
    """The number of the page of an article that has `older` articles below it."""
    return older // PAGE + 1


def month(moment: datetime, zone: str) -> str:
    """The month in which it fell there, like `2026-11`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m}".rjust(7, "0")


def months_on(moments: Iterable[datetime], zone: str) -> str:
    """The months of a page's articles, each once, as they come: in one string, with spaces."""
    return " ".join(dict.fromkeys(month(moment, zone) for moment in moments))


def months_begin(index: str, pages: Sequence[str]) -> dict[str, int | None]:
    """For each month, the last first, the page on which whoever reads back in time meets it.

    None is the category's first page, whose months are `index`; `pages` are those of the numbered
    ones from page 1 on. Articles stand in the order in which they came out, not in that of their
    dates: a month may also be on pages before and after.
    """
    met: dict[str, int | None] = {}
    for number, months in enumerate(pages, 1):
        met |= dict.fromkeys(months.split(), number)
    met |= dict.fromkeys(index.split())
    return dict(sorted(met.items(), reverse=True))
