"""Renders the pages: the front page, the archive pages of categories, and articles of our own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from publisher.core.links import ALL, category_url, feeds_url, shown_host, within
from publisher.core.model import Category, Site
from publisher.core.text import clean_line
from publisher.feeds import atom, json_feed, rss
from publisher.feeds.feed import Entry, feed_of
from publisher.kit.jinja import environment, rendered
from publisher.kit.locale import direction, locale_of
from publisher.kit.reading import beneath


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An entry as a page shows it."""

    entry: Entry
    href: str
    lang: str
    """Empty where it is the page's, or unknown."""
    dir: str
    """rtl, ltr, auto where the language is unknown, or empty where it is the page's."""
    locale: str
    """In whose manner its dates are written."""
    teaser: str
    """Empty where the title says it already."""
    place: str
    """The host where it is read, if that is not ours."""
    updated: datetime | None
    """Where it was changed after it came out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    title: str
    """Empty for all categories together: the template has the words."""
    href: str
    lang: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A category on the front page."""

    link: Link
    stories: tuple[Story, ...]


class Pages:
    """The templates with what all pages of a site share. The same facts give the same bytes."""

    def __init__(self, site: Site, folders: Sequence[Path]) -> None:
        """`folders`: where templates are looked for, the operator's before ours."""
        self._site = site
        self._host = urlsplit(site.url).hostname
        self._jinja = environment(folders)
        self._jinja.globals["site"] = {
            "title": clean_line(site.title),
            "language": site.language,
            "dir": direction(site.language),
            "locale": locale_of(site.language),
            "zone": site.zone,
            "href": within(site, feeds_url(site)),
        }

    def front(
        self,
        categories: Sequence[Category],
        nav: Sequence[Link],
        entries: Sequence[Entry],
        sections: Sequence[tuple[Category, Sequence[Entry]]],
    ) -> bytes:
        """`entries` at the top; `sections`: some of the categories, each with its own news."""
        return self._render(
            "front.html",
            alternates=self._alternates([None]),
            directory=[self.link(each) for each in (None, *categories)],
            nav=nav,
            stories=self._stories(entries),
            sections=[
                Section(link=self.link(category), stories=self._stories(own))
                for category, own in sections
            ],
        )

    def category(
        self,
        category: Category | None,
        nav: Sequence[Link],
        entries: Sequence[Entry],
        *,
        page: int | None,
        last: int,
    ) -> bytes:
        """The first page of a category (of all for None), or its archive page number `page`.

        `last` is the number of the newest numbered page there is, 0 for none.
        """
        link = self.link(category)
        return self._render(
            "category.html",
            alternates=self._alternates([category]),
            nav=nav,
            title=link.title,
            lang=link.lang,
            description=clean_line(category.description) if category else "",
            stories=self._stories(entries),
            page=page,
            last=last,
            base=link.href,
            url=category_url(self._site, category.slug if category else ALL),
        )

    def article(self, entry: Entry, categories: Sequence[Category]) -> bytes:
        """The page of an article that has no address of its own, standing in `categories`."""
        return self._render(
            "article.html",
            alternates=self._alternates(categories),
            nav=[self.link(each) for each in categories],
            story=self._story(entry),
        )

    def link(self, category: Category | None) -> Link:
        """To the first page of a category, of all for None."""
        return Link(
            title=clean_line(category.title) if category else "",
            href=within(self._site, category_url(self._site, category.slug if category else ALL)),
            lang=self._foreign(category.language) if category else "",
        )

    def _alternates(self, categories: Sequence[Category | None]) -> list[Mapping[str, str]]:
        """What a browser or a feed reader finds when it is given the page's address."""
        feeds = [feed_of(self._site, each, (), None) for each in categories]
        return [
            {"title": f"{feed.title} ({name})", "type": kind, "href": url}
            for feed in feeds
            for name, kind, url in (
                ("RSS", rss.TYPE, feed.rss_url),
                ("Atom", atom.TYPE, feed.atom_url),
                ("JSON", json_feed.TYPE, feed.json_url),
            )
        ]

    def _render(self, template: str, **facts: object) -> bytes:
        return rendered(self._jinja, template, facts).encode()

    def _stories(self, entries: Sequence[Entry]) -> tuple[Story, ...]:
        return tuple(self._story(entry) for entry in entries)

    def _story(self, entry: Entry) -> Story:
        lang = self._foreign(entry.language)
        edited = (entry.updated - entry.published).total_seconds() >= 60
        return Story(
            entry=entry,
            href=within(self._site, entry.url),
            lang=lang,
            dir="" if entry.language and not lang else direction(entry.language),
            locale=locale_of(entry.language, self._site.language),
            teaser=beneath(entry.title, entry.teaser),
            place="" if urlsplit(entry.url).hostname == self._host else shown_host(entry.url),
            updated=entry.updated if edited else None,
        )

    def _foreign(self, language: str) -> str:
        return "" if language.lower() == self._site.language.lower() else language
