"""What an article is called and how it opens, wherever it is shown."""

from dataclasses import replace

from publisher.core.links import web_address
from publisher.core.model import Article, Image
from publisher.core.text import clean_line, opening_words
from publisher.kit.html import prose

_HEADLINE = 90  # characters of the opening words that stand for a title


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
