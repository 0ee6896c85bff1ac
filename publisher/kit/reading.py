"""What an article is called and how it opens, wherever it is shown."""

import re
from dataclasses import replace
from html import unescape

from publisher.core.links import web_address
from publisher.core.model import Article, Image
from publisher.core.text import clean_line, opening_words
from publisher.kit.html import prose

_HEADLINE = 90  # characters of the opening words that stand for a title
_SOURCE = re.compile(r'<img\b[^>]*?\ssrc="([^"]*)"')
# WordPress keeps a picture in several sizes: sea.jpg, sea-300x200.jpg, sea-scaled.jpg.
_OF_A_SIZE = re.compile(r"(?:-\d{1,5}x\d{1,5}|-scaled)(?=\.\w{1,5}$)")


def headline(article: Article) -> str:
    """Its title, or else its opening words; never empty."""
    return clean_line(article.title) or standfirst(article, _HEADLINE) or article.slug


def standfirst(article: Article, limit: int) -> str:
    """Its summary, or else its opening words, on one line of at most `limit` characters."""
    return opening_words(clean_line(article.summary) or prose(article.body_html), limit)


def beneath(headline: str, standfirst: str) -> str:
    """What stands under a headline: nothing where the headline is made of the same words."""
    made_of_it = standfirst == headline or (
        headline.endswith("…") and standfirst.startswith(headline.removesuffix("…"))
    )
    return "" if made_of_it else standfirst


def picture(article: Article) -> Image | None:
    """Its image with words fit to be shown, if it has one that can be fetched."""
    image = article.image
    if image is None or not (url := web_address(image.url)):
        return None
    return replace(
        image,
        url=url,
        alt=clean_line(image.alt),
        caption=clean_line(image.caption),
        type=clean_line(image.type),
    )


def shows(html: str, picture_url: str) -> bool:
    """Whether the picture is seen in a text, in whatever size."""
    return _unsized(picture_url) in map(_unsized, map(unescape, _SOURCE.findall(html)))


def _unsized(url: str) -> str:
    address = url.split("?")[0].partition("://")[2]
    return _OF_A_SIZE.sub("", address)
