"""Chooses what stands on the front page: the newest of all, and of some categories theirs."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from publisher.core.model import Article, Category
from publisher.feeds.port import Shelf

_TOP = 7  # stories above the sections
_SECTIONS = 12  # half of them for their news, the others for their size
_STORIES = 6  # of a section


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    top: Sequence[Article]
    sections: Sequence[tuple[Category, Sequence[Article]]]


def front(conn: Connection, shelf: Shelf, categories: Sequence[Category]) -> Front:
    """Each story once; the section with the latest news first. `categories`: the largest first."""
    top = shelf.newest(conn, None, _TOP)
    chosen = sorted(categories, key=lambda each: -each.change)[: _SECTIONS // 2]
    chosen += [each for each in categories if each not in chosen][: _SECTIONS - len(chosen)]
    found = [(each, shelf.newest(conn, each.slug, _TOP + 2 * _STORIES)) for each in chosen]
    found.sort(key=lambda section: -(section[1][0].seq or 0) if section[1] else 0)
    shown = {article.id for article in top}
    sections = []
    for category, newest in found:
        fresh = [article for article in newest if article.id not in shown][:_STORIES]
        shown.update(article.id for article in fresh)
        if fresh:
            sections.append((category, fresh))
    return Front(top=top, sections=sections)
