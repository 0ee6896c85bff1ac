"""A feed and its entries, ready to be written in any format."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from html.entities import name2codepoint
from mimetypes import MimeTypes
from urllib.parse import urlsplit

from publisher.core.identity import feed_id
from publisher.core.links import (
    ALL,
    addresses_of,
    article_url,
    category_url,
    feeds_url,
    web_address,
)
from publisher.core.model import Article, Category, Enclosure, Image, Related, Removal, Site
from publisher.core.text import clean_line, without_controls
from publisher.kit import translations
from publisher.kit.locale import language_tag, locale_of
from publisher.kit.reading import headline, picture, standfirst
from publisher.kit.translations import LANGUAGES

_TEASER = 320
_SEQS = 1_000_000

_PART = r"[\w!#$&^.+-]+"
_MEDIA_TYPE = re.compile(  # RFC 2045 5.1
    rf"{_PART}/{_PART}(?:\s*;\s*{_PART}=(?:{_PART}|\"[^\"]*\"))*", re.ASCII
)
_TYPES = MimeTypes()  # Python's own list, the same on every machine
_MARKUP = re.compile(rf"<(?=[A-Za-z/!?])|&(?=#?\w+;|#|\w*[\d_]|(?:{'|'.join(name2codepoint)})\b)")

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""The date of a feed that never held anything; none is older, whatever it holds."""


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
    """As BCP 47 has it; empty where unknown."""
    correction: str
    published: datetime
    """To the second."""
    updated: datetime
    """Distinct among all entries: its microseconds are the article's place in the order."""
    image: Image | None
    """Its type and its length are those of a file, or not said."""
    enclosures: tuple[Enclosure, ...]
    """Each has a type that is one, and a length of 0 where it is unknown (RSS 2.0)."""
    related: tuple[Related, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A document of a category's feed, or of that of all: its newest entries, or an archive."""

    id: str
    """The same on all documents, in every format, whatever becomes of slug, title and site."""
    slug: str
    title: str
    author: str
    """Who answers for entries that name no author: the site."""
    description: str
    language: str
    html_url: str
    """The archive page."""
    url: str
    """The folder of this document: one file in it for each format."""
    current_url: str
    """That of the newest entries."""
    older_url: str
    """That of the archive document with what is older (RFC 5005); empty where there is none."""
    newer_url: str
    """Of an archive document, the next newer document; of the newest entries empty."""
    hubs: tuple[str, ...]
    """Where readers may ask to be told of news (WebSub)."""
    icon_url: str
    """A square picture of 144 pixels, the most that RSS allows."""
    updated: datetime
    entries: tuple[Entry, ...]
    removals: tuple[Removal, ...]
    """What this document would hold if it had not been withdrawn or taken out."""

    @property
    def is_archive(self) -> bool:
        return self.url != self.current_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What the ids of feeds are made of, besides the category."""

    host: str
    year: int


def entry_of(article: Article, site: Site, titles: Mapping[str, str]) -> Entry:
    """An article of `site` as an entry; `titles` are the categories' by slug."""
    summary = _line(article.summary)
    return Entry(
        id=article.id,
        slug=article.slug,
        url=article_url(site, article),
        title=_legible(headline(article)),
        summary=summary,
        teaser=summary or _legible(standfirst(article, _TEASER)),
        html=_legible(without_controls(article.body_html)),
        authors=tuple(name for name in map(_line, article.authors) if name),
        categories=tuple(
            (slug, _legible(titles[slug])) for slug in article.categories if slug in titles
        ),
        language=language_tag(article.language),
        correction=_line(article.correction),
        published=article.published_at.replace(microsecond=0),
        updated=article.updated_at.replace(microsecond=(article.seq or 0) % _SEQS),
        image=_image(article),
        enclosures=tuple(
            Enclosure(url=url, type=_media_type(each.type, url), length=max(each.length, 0))
            for each in article.enclosures
            if (url := web_address(each.url))
        ),
        related=tuple(
            Related(
                title=_line(each.title),
                url=web_address(each.url),
                caption=_line(each.caption),
            )
            for each in article.related
        ),
    )


def left_out(article: Article) -> list[str]:
    """What is said of an article that no feed can hold; its text always can be held."""
    unfit = [f"{what}: {url[:200]}" for what, url in addresses_of(article) if not web_address(url)]
    if article.language and not language_tag(article.language):
        unfit.append(f"its language: {article.language[:200]}")
    return unfit


def feed_of(
    site: Site,
    naming: Naming,
    category: Category | None,
    entries: Sequence[Entry],
    *,
    archives: int = 0,
    number: int | None = None,
    removals: Sequence[Removal] = (),
    removed: datetime | None = None,
    hubs: Sequence[str] = (),
) -> Feed:
    """A document of the feed of a category, of all for None.

    `archives`: how many archive documents there are. `number`: which of them this is; None for that
    of the newest entries. `removed`: when something last left it. Its date is that of its newest
    change, a removal included, so that an empty feed has one too.
    """
    slug = category.slug if category else ALL
    first_slug = (category.first_slug if category else "") or slug
    title = feed_title(site, category)
    base = category_url(site, slug)
    older = archives if number is None else number - 1
    moments = [LONG_AGO, *(entry.updated for entry in entries)]
    if removed is not None:
        moments.append(removed.replace(microsecond=0))
    return Feed(
        id=feed_id(naming.host, naming.year, first_slug),
        slug=slug,
        title=title,
        author=_line(site.title),
        description=plain(_line(category.description if category else "") or title),
        language=(category.language if category else "") or site.language,
        html_url=base,
        url=base if number is None else archive_url(base, number),
        current_url=base,
        older_url=archive_url(base, older) if older else "",
        newer_url=_newer(base, number, archives),
        hubs=tuple(hubs),
        icon_url=icon_url(site),
        updated=max(moments),
        entries=tuple(entries),
        removals=tuple(removals),
    )


def feed_title(site: Site, category: Category | None) -> str:
    name = _line(site.title)
    return f"{_line(category.title)} – {name}" if category else name


def _newer(base: str, number: int | None, archives: int) -> str:
    if number is None:
        return ""
    # The last one leads to the feed itself: validators want to be led on from every archive.
    return archive_url(base, number + 1) if number < archives else base


def archive_url(base: str, number: int) -> str:
    return f"{base}archive/{number}/"


def icon_url(site: Site) -> str:
    """The site's picture beside its feeds; an operator's own may stand in its place."""
    return f"{feeds_url(site)}static/icon.png"


def content_of(entry: Entry, feed: Feed) -> str:
    """What an entry says in full, as HTML: a correction, then its text; empty without either."""
    if not entry.correction:
        return entry.html
    words = translations.of(locale_of(entry.language, feed.language, among=LANGUAGES))
    word = words.gettext("Correction:")
    note = f'<p class="correction"><strong>{word}</strong> {escape(entry.correction)}</p>'
    return f"{note}\n{entry.html or opening_of(entry)}"


def opening_of(entry: Entry) -> str:
    """What stands for the text of an entry that has none, as HTML."""
    return f"<p>{escape(entry.teaser or entry.title)}</p>"


def plain(text: str) -> str:
    """Plain text for where some readers expect HTML, and some do not.

    A word joiner, which nobody sees, keeps `<b>` legible to the former, and no less to the latter.
    """
    return _MARKUP.sub("\\g<0>\u2060", text)


def enclosures_of(entry: Entry) -> tuple[Enclosure, ...]:
    """Its enclosures; the image among them only where its length is known, as RSS demands one."""
    image = entry.image
    if image is None or not image.length or not image.type:
        return entry.enclosures
    if any(each.url == image.url for each in entry.enclosures):
        return entry.enclosures
    picture = Enclosure(url=image.url, type=image.type, length=image.length)
    return (*entry.enclosures, picture)


def _line(text: str) -> str:
    return _legible(clean_line(text))


def _legible(text: str) -> str:
    """With a sign for each letter that was lost before it came to us; to many U+FFFD is a fault."""
    return text.replace("\ufffd", "□")


def _image(article: Article) -> Image | None:
    image = picture(article)
    if image is None:
        return None
    return replace(
        image,
        alt=_legible(image.alt),
        caption=_legible(image.caption),
        type=image.type if _MEDIA_TYPE.fullmatch(image.type) else "",
        length=image.length if image.length and image.length > 0 else None,
    )


def _media_type(given: str, url: str) -> str:
    """As given where it is one, else by what the address ends in, else any (RFC 2046 4.5.1)."""
    if _MEDIA_TYPE.fullmatch(given := clean_line(given)):
        return given
    return _TYPES.guess_type(urlsplit(url).path)[0] or "application/octet-stream"
