"""A feed and its entries, ready to be written in any format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from publisher.core.links import ALL, article_url, category_url, feeds_url, web_address
from publisher.core.model import Article, Category, Enclosure, Image, Related, Site
from publisher.core.text import clean_line, without_controls
from publisher.kit.reading import headline, picture, standfirst

_TEASER = 320
_SEQS = 1_000_000

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""The date of a feed that never held anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An article as the world sees it; all of its text is legible XML."""

    id: str
    slug: str
    url: str
    """Where it is read: elsewhere, or its page here."""
    title: str
    """Never empty: an untitled article goes by its opening words."""
    summary: str
    """As its source gave it; plain text, may be empty."""
    teaser: str
    """The summary, or else the opening words."""
    html: str
    authors: tuple[str, ...]
    categories: tuple[tuple[str, str], ...]
    """Slug and title of each."""
    language: str
    """Empty where unknown."""
    correction: str
    published: datetime
    """To the second."""
    updated: datetime
    """Distinct among all entries: its microseconds are the article's place in the order."""
    image: Image | None
    enclosures: tuple[Enclosure, ...]
    related: tuple[Related, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The newest entries of a category, or of all."""

    slug: str
    title: str
    author: str
    """Who answers for entries that name no author: the site."""
    description: str
    language: str
    html_url: str
    """The archive page."""
    rss_url: str
    atom_url: str
    json_url: str
    icon_url: str
    """A square picture of 144 pixels, the most that RSS allows."""
    updated: datetime
    entries: tuple[Entry, ...]


def entry_of(article: Article, site: Site, titles: Mapping[str, str]) -> Entry:
    """An article of `site` as an entry; `titles` are the categories' by slug."""
    summary = clean_line(article.summary)
    return Entry(
        id=article.id,
        slug=article.slug,
        url=article_url(site, article),
        title=headline(article),
        summary=summary,
        teaser=summary or standfirst(article, _TEASER),
        html=without_controls(article.body_html),
        authors=tuple(name for name in map(clean_line, article.authors) if name),
        categories=tuple((slug, titles[slug]) for slug in article.categories if slug in titles),
        language=clean_line(article.language),
        correction=clean_line(article.correction),
        published=article.published_at.replace(microsecond=0),
        updated=article.updated_at.replace(microsecond=(article.seq or 0) % _SEQS),
        image=picture(article),
        enclosures=tuple(
            Enclosure(url=url, type=clean_line(each.type), length=each.length)
            for each in article.enclosures
            if (url := web_address(each.url))
        ),
        related=tuple(
            Related(
                title=clean_line(each.title),
                url=web_address(each.url),
                caption=clean_line(each.caption),
            )
            for each in article.related
        ),
    )


def feed_of(
    site: Site, category: Category | None, entries: Sequence[Entry], removed: datetime | None
) -> Feed:
    """The feed of a category, of all for None. `removed`: when something last left it.

    Its date is that of its newest change, a removal included, so that an empty feed has one too.
    """
    slug = category.slug if category else ALL
    author = clean_line(site.title)
    title = f"{clean_line(category.title)} – {author}" if category else author
    base = category_url(site, slug)
    moments = [entry.updated for entry in entries]
    if removed is not None:
        moments.append(removed.replace(microsecond=0))
    return Feed(
        slug=slug,
        title=title,
        author=author,
        description=clean_line(category.description if category else "") or title,
        language=(category.language if category else "") or site.language,
        html_url=base,
        rss_url=base + "rss.xml",
        atom_url=base + "atom.xml",
        json_url=base + "feed.json",
        icon_url=icon_url(site),
        updated=max(moments, default=LONG_AGO),
        entries=tuple(entries),
    )


def icon_url(site: Site) -> str:
    """The site's picture beside its feeds; an operator's own may stand in its place."""
    return f"{feeds_url(site)}static/icon.png"


def content_of(entry: Entry) -> str:
    """What an entry says in full, as HTML: a correction, then its text; empty without either."""
    if not entry.correction:
        return entry.html
    note = f'<p class="correction"><strong>Correction:</strong> {escape(entry.correction)}</p>'
    return f"{note}\n{entry.html or opening_of(entry)}"


def opening_of(entry: Entry) -> str:
    """What stands for the text of an entry that has none, as HTML."""
    return f"<p>{escape(entry.teaser or entry.title)}</p>"


def enclosures_of(entry: Entry) -> tuple[Enclosure, ...]:
    """Its enclosures; the image among them only where its length is known, as RSS demands one."""
    image = entry.image
    if image is None or not image.length or not image.type:
        return entry.enclosures
    if any(each.url == image.url for each in entry.enclosures):
        return entry.enclosures
    picture = Enclosure(url=image.url, type=image.type, length=image.length)
    return (*entry.enclosures, picture)
