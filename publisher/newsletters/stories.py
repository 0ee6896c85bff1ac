"""Articles as a mail's templates see them: short plain words and addresses, nothing else."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import lxml.html

from publisher.core.headers import cut, one_line
from publisher.core.model import Article, Category, Image, Site
from publisher.newsletters.translations import direction

_TITLE = 240
_STANDFIRST = 320
_CAPTION = 160
_AUTHORS = 120
_ADDRESS = 2000  # longer ones no browser is sure to open
_WEB = ("http://", "https://")
_WORDS_A_MINUTE = 220
_CHARACTERS_A_MINUTE = 450
_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_RESERVED = "!#$%&'()*+,/:;=?@[]~"
_PARSER = lxml.html.HTMLParser(encoding="utf-8")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str
    stories: tuple[Story, ...]


def link(article: Article, site: Site) -> Link:
    return Link(
        title=_title(article, _opening(article, _text(article))),
        url=address(article, site),
        language=article.language,
        direction=direction(article.language),
    )


def story(article: Article, site: Site, categories: Mapping[str, Category]) -> Story:
    """The article under the first of its categories that is among `categories`."""
    text = _text(article)
    opening = _opening(article, text)
    title = _title(article, opening)
    section = next((categories[slug] for slug in article.categories if slug in categories), None)
    return Story(
        title=title,
        url=address(article, site),
        language=article.language,
        direction=direction(article.language),
        section=one_line(section.title, _TITLE) if section else "",
        standfirst=opening if opening != title else "",
        authors=one_line(", ".join(article.authors), _AUTHORS),
        minutes=_minutes(text),
        image=_image(article.image),
    )


def sections(stories: Iterable[Story]) -> tuple[Section, ...]:
    """The stories by section, in the order in which the sections first come; the rest last."""
    found: dict[str, list[Story]] = {}
    for each in stories:
        found.setdefault(each.section, []).append(each)
    titles = sorted(found, key=lambda title: not title)
    return tuple(Section(title=title, stories=tuple(found[title])) for title in titles)


def address(article: Article, site: Site) -> str:
    """Where the article is read: its own address or its page here, ASCII only."""
    own = article.url.startswith(_WEB)
    url = _ascii(article.url if own else f"{site.url}/feeds/articles/{article.slug}/")
    return url if len(url) <= _ADDRESS else f"{_ascii(site.url)}/feeds/"


def _ascii(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.encode("idna").decode("ascii")
    except ValueError:
        return quote(url, safe=_RESERVED, errors="replace")
    return quote(urlunsplit(parts._replace(netloc=host)), safe=_RESERVED, errors="replace")


def _opening(article: Article, text: str) -> str:
    return one_line(article.summary, _STANDFIRST) or cut(text, _STANDFIRST)


def _title(article: Article, opening: str) -> str:
    return one_line(article.title, _TITLE) or cut(opening, _TITLE // 2) or article.slug


def _image(image: Image | None) -> Image | None:
    if image is None or not image.url.startswith(_WEB) or len(_ascii(image.url)) > _ADDRESS:
        return None
    return Image(
        url=_ascii(image.url),
        alt=one_line(image.alt, _CAPTION),
        caption=one_line(image.caption, _CAPTION),
    )


def _text(article: Article) -> str:
    """The body's paragraphs as one line of plain text."""
    data = b"<div>" + article.body_html.encode("utf-8", "replace") + b"</div>"
    root = lxml.html.fromstring(data, parser=_PARSER)
    paragraphs = root.findall(".//p") or [root]
    return one_line(
        " ".join("".join(map(str, each.itertext())) for each in paragraphs), limit=1_000_000
    )


def _minutes(text: str) -> int:
    spaceless = len(_WITHOUT_SPACES.findall(text))
    minutes = len(text.split()) / _WORDS_A_MINUTE + spaceless / _CHARACTERS_A_MINUTE
    return max(1, round(minutes)) if text else 0
