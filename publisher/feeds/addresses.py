"""Where things stand in the world: the addresses of feeds and pages below `[site] url`."""

from urllib.parse import quote, urlsplit

from publisher.core.model import Article, Site

ALL = "all"
"""The slug of the feed of every category together; no category has it."""


def feeds_url(site: Site) -> str:
    """The front page."""
    return f"{site.url.rstrip('/')}/feeds/"


def category_url(site: Site, slug: str) -> str:
    """A category's archive page; its feeds stand beside it (`rss.xml`, `atom.xml`, `feed.json`)."""
    return f"{feeds_url(site)}{quote(slug, safe='')}/"


def article_url(site: Site, article: Article) -> str:
    """Where an article is read: at its own address, or on its page here."""
    return article.url or f"{feeds_url(site)}articles/{quote(article.slug, safe='')}/"


def within(site: Site, url: str) -> str:
    """As a page here links to it: from the root where it is ours, in full where it is not."""
    ours = feeds_url(site)
    return urlsplit(ours).path + url.removeprefix(ours) if url.startswith(ours) else url
