"""Articles as a mail's templates see them: short plain words and addresses, nothing else."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from publisher.core.headers import one_line
from publisher.core.intake import LONGEST_NOTE
from publisher.core.links import article_url, web_address
from publisher.core.model import Article, Category, Image, Site
from publisher.kit.html import prose
from publisher.kit.locale import direction
from publisher.kit.reading import beneath, headline, picture, standfirst

_TITLE = 240
_STANDFIRST = 320
_CAPTION = 160
_AUTHORS = 120
_RELATED = 3
_WORDS_A_MINUTE = 220
_CHARACTERS_A_MINUTE = 450
_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    title: str
    url: str
    language: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story(Link):
    section: str
    """The title of the category it stands under, or empty."""
    standfirst: str
    authors: str
    minutes: int
    """Of reading; 0 when it has no text here."""
    image: Image | None
    related: tuple[Link, ...]
    """Further reading, at most three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction(Link):
    """Without an address where the article was withdrawn: its page is gone."""

    note: str
    """What the editor says was wrong in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str
    stories: tuple[Story, ...]


def link(article: Article, site: Site) -> Link:
    return Link(
        title=one_line(headline(article), _TITLE),
        url=article_url(site, article),
        language=article.language,
        direction=direction(article.language),
    )


def story(article: Article, site: Site, categories: Mapping[str, Category]) -> Story:
    """The article under the first of its categories that is among `categories`."""
    title = headline(article)
    section = next((categories[slug] for slug in article.categories if slug in categories), None)
    return Story(
        title=one_line(title, _TITLE),
        url=article_url(site, article),
        language=article.language,
        direction=direction(article.language),
        section=one_line(section.title, _TITLE) if section else "",
        standfirst=one_line(beneath(title, standfirst(article, _STANDFIRST))),
        authors=one_line(", ".join(article.authors), _AUTHORS),
        minutes=_minutes(prose(article.body_html)),
        image=_image(article),
        related=_related(article),
    )


def correction(article: Article, site: Site) -> Correction:
    """An article that readers were given before it was corrected."""
    shown = link(article, site)
    return Correction(
        title=shown.title,
        url=shown.url if article.withdrawn_at is None else "",
        language=shown.language,
        direction=shown.direction,
        note=one_line(article.correction, LONGEST_NOTE),
    )


def sections(stories: Iterable[Story]) -> tuple[Section, ...]:
    """The stories by section, in the order in which the sections first come; the rest last."""
    found: dict[str, list[Story]] = {}
    for each in stories:
        found.setdefault(each.section, []).append(each)
    titles = sorted(found, key=lambda title: not title)
    return tuple(Section(title=title, stories=tuple(found[title])) for title in titles)


def contents(sections: Iterable[Section], most: int) -> tuple[Story, ...]:
    """At most so many stories in their order; every section's first before another's second."""
    ranked = [(rank, each) for section in sections for rank, each in enumerate(section.stories)]
    chosen = sorted(range(len(ranked)), key=lambda place: ranked[place][0])[:most]
    return tuple(ranked[place][1] for place in sorted(chosen))


def _related(article: Article) -> tuple[Link, ...]:
    found = [
        Link(title=title, url=url, language="", direction=direction(""))
        for each in article.related
        if (title := one_line(each.title, _TITLE)) and (url := web_address(each.url))
    ]
    return tuple(found[:_RELATED])


def _image(article: Article) -> Image | None:
    image = picture(article)
    return image and replace(
        image, alt=one_line(image.alt, _CAPTION), caption=one_line(image.caption, _CAPTION)
    )


def _minutes(text: str) -> int:
    spaceless = len(_WITHOUT_SPACES.findall(text))
    minutes = len(text.split()) / _WORDS_A_MINUTE + spaceless / _CHARACTERS_A_MINUTE
    return max(1, round(minutes)) if text else 0
