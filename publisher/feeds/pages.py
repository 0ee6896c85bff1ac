"""Renders the pages: the front, categories with their archives and feeds, articles of our own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from publisher.core.links import ALL, category_url, feeds_url, shown_host, within
from publisher.core.model import Category, Enclosure, Site
from publisher.core.text import clean_line
from publisher.feeds import archive, atom, json_feed, rss
from publisher.feeds.about import news_article, with_territory
from publisher.feeds.feed import Entry, feed_title, icon_url
from publisher.feeds.tree import Branch
from publisher.kit.jinja import environment, rendered
from publisher.kit.locale import direction, locale_of
from publisher.kit.reading import beneath, shows

_ANNOUNCED = 3  # categories whose feeds the page of an article names; some stand in dozens


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
    hero: bool
    """Whether its image stands over the text: not where the text shows it already."""
    attached: tuple[Enclosure, ...]
    """What its text does not lead to already."""
    begins: str = ""
    """The month, like `2026-11`, of which it is the first on its page: the place to jump to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    title: str
    """Empty for all categories together: the template has the words."""
    href: str
    lang: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The categories that the first page of one leads to."""

    nav: Sequence[Link]
    above: Sequence[Link]
    """Its parent last."""
    below: Sequence[Link]


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    moment: datetime
    """One in the middle of it, for its name."""
    href: str
    """Where the newest of its articles stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twig:
    """A category in the directory, with those beneath it."""

    link: Link
    below: tuple["Twig", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A category on the front page."""

    link: Link
    stories: tuple[Story, ...]


class Pages:
    """The templates with what all pages of a site share. The same facts give the same bytes."""

    def __init__(self, site: Site, folders: Sequence[Path], subscribe: str = "") -> None:
        """`folders`: where templates are looked for, the operator's before ours; `subscribe`: the
        address of the page to sign up for newsletters, empty where there are none."""
        self._site = site
        self._host = urlsplit(site.url).hostname
        self._jinja = environment(folders)
        self._jinja.globals["locale"] = locale_of(site.language)
        self._jinja.globals["site"] = {
            "title": clean_line(site.title),
            "language": site.language,
            "dir": direction(site.language),
            "locale": locale_of(site.language),
            "zone": site.zone,
            "href": within(site, feeds_url(site)),
            "url": feeds_url(site),
            "icon": icon_url(site),
            "subscribe": subscribe,
            "og_locale": with_territory(locale_of(site.language)),
        }

    def front(
        self,
        branches: Sequence[Branch],
        nav: Sequence[Link],
        entries: Sequence[Entry],
        sections: Sequence[tuple[Category, Sequence[Entry]]],
    ) -> bytes:
        """`entries` at the top; `sections`: some of the categories, each with its own news."""
        return self._render(
            "front.html",
            alternates=self._alternates([None]),
            directory=[Twig(link=self.link(None), below=()), *map(self._twig, branches)],
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
        family: Family,
        entries: Sequence[Entry],
        *,
        months: Sequence[str],
    ) -> bytes:
        """The first page of a category, of all for None.

        `months`: those of each of its archive pages, as `archive.months_on` tells them.
        """
        own = archive.months_on((entry.published for entry in entries), self._site.zone)
        begin = archive.months_begin(own, months)
        return self._render(
            "category.html",
            **self._of(category),
            nav=family.nav,
            above=family.above,
            below=family.below,
            stories=self._with_months(entries),
            page=None,
            last=len(months),
            years=self._years(self.link(category).href, begin) if len(begin) > 1 else [],
        )

    def archive_page(
        self, category: Category | None, entries: Sequence[Entry], page: int, last: int
    ) -> bytes:
        """Number `page` of a category's archive pages; `last` is the newest there is.

        It names no other category, so that a full page stays as it is for good.
        """
        moments = sorted(entry.published for entry in entries)
        return self._render(
            "category.html",
            **self._of(category),
            nav=self._only(category),
            stories=self._with_months(entries),
            page=page,
            last=last,
            first_day=moments[0],
            last_day=moments[-1],
        )

    def follow(self, category: Category | None) -> bytes:
        """What the addresses of a category's feeds are for, and the addresses."""
        return self._render(
            "follow.html",
            **self._of(category),
            nav=self._only(category),
            feeds=self._feeds(category),
        )

    def article(
        self, entry: Entry, categories: Sequence[Category], nav: Sequence[Category]
    ) -> bytes:
        """The page of an article that has no address of its own, standing in `categories`."""
        story = self._story(entry)
        return self._render(
            "article.html",
            alternates=self._alternates([*categories[:_ANNOUNCED], None]),
            nav=[self.link(each) for each in nav],
            categories=[self.link(each) for each in categories],
            story=story,
            og_locale=with_territory(story.locale),
            facts=news_article(entry, self._site),
        )

    def _of(self, category: Category | None) -> dict[str, object]:
        """What all pages of a category say of it."""
        link = self.link(category)
        return {
            "alternates": self._alternates([category]),
            "title": link.title,
            "lang": link.lang,
            "description": clean_line(category.description) if category else "",
            "base": link.href,
            "url": category_url(self._site, category.slug if category else ALL),
        }

    def _only(self, category: Category | None) -> list[Link]:
        return [self.link(category)] if category else []

    def _with_months(self, entries: Sequence[Entry]) -> list[Story]:
        """The stories of a page, the first of each month with its name to jump to."""
        stories, seen = [], set()
        for story in self._stories(entries):
            month = archive.month(story.entry.published, self._site.zone)
            stories.append(story if month in seen else replace(story, begins=month))
            seen.add(month)
        return stories

    def _years(self, base: str, begin: Mapping[str, int | None]) -> list[list[Month]]:
        """Months by their years, the last year first and each from January on."""
        years = []
        for year, months in groupby(begin, key=lambda month: month[:4]):
            found = []
            for month in months:
                page = f"{base}page/{begin[month]}/" if begin[month] else ""
                moment = datetime(int(year), int(month[5:]), 15, tzinfo=UTC)
                found.append(Month(moment=moment, href=f"{page}#{month}"))
            years.append(found[::-1])
        return years

    def link(self, category: Category | None) -> Link:
        """To the first page of a category, of all for None."""
        return Link(
            title=clean_line(category.title) if category else "",
            href=within(self._site, category_url(self._site, category.slug if category else ALL)),
            lang=self._foreign(category.language) if category else "",
        )

    def _twig(self, branch: Branch) -> Twig:
        return Twig(link=self.link(branch.category), below=tuple(map(self._twig, branch.below)))

    def _alternates(self, categories: Sequence[Category | None]) -> list[Mapping[str, str]]:
        """What a browser or a feed reader finds when it is given the page's address."""
        return [
            {"title": f"{feed_title(self._site, each)} ({name})", "type": kind, "href": url}
            for each in categories
            for name, kind, url in self._feeds(each)
        ]

    def _feeds(self, category: Category | None) -> list[tuple[str, str, str]]:
        """Name, media type and address of each format."""
        base = category_url(self._site, category.slug if category else ALL)
        return [
            ("RSS", rss.TYPE, base + rss.FILE),
            ("Atom", atom.TYPE, base + atom.FILE),
            ("JSON Feed", json_feed.TYPE, base + json_feed.FILE),
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
            hero=entry.image is not None and not shows(entry.html, entry.image.url),
            attached=tuple(each for each in entry.enclosures if escape(each.url) not in entry.html),
        )

    def _foreign(self, language: str) -> str:
        return "" if language.lower() == self._site.language.lower() else language
