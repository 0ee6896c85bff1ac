"""What other programs are told of an article's page: search engines and the like (schema.org)."""

from babel.core import get_global

from publisher.core.links import feeds_url
from publisher.core.model import Site
from publisher.core.text import clean_line
from publisher.feeds.feed import Entry, icon_url


def news_article(entry: Entry, site: Site) -> dict[str, object]:
    """An article as schema.org has it, ready for JSON-LD; what is not known is left out."""
    facts: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "@id": entry.id,
        "url": entry.url,
        "mainEntityOfPage": entry.url,
        "headline": entry.title,
        "description": entry.teaser,
        "image": _image(entry),
        "datePublished": entry.published.isoformat(timespec="seconds"),
        "dateModified": entry.updated.isoformat(timespec="seconds"),
        "author": [{"@type": "Person", "name": name} for name in entry.authors],
        "publisher": {
            "@type": "NewsMediaOrganization",
            "name": clean_line(site.title),
            "url": feeds_url(site),
            "logo": {"@type": "ImageObject", "url": icon_url(site)},
        },
        "articleSection": [title for _, title in entry.categories],
        "inLanguage": entry.language or site.language,
        "correction": entry.correction,
    }
    return {key: value for key, value in facts.items() if value}


def _image(entry: Entry) -> dict[str, object]:
    if entry.image is None:
        return {}
    caption = {"caption": entry.image.caption} if entry.image.caption else {}
    return {"@type": "ImageObject", "url": entry.image.url, **caption}


def with_territory(locale: str) -> str:
    """A locale as Open Graph demands it, `de_DE`: where it names no land the likeliest."""
    language, *others = locale.split("-")
    land = [part for part in others if len(part) in (2, 3)]
    if not land:
        likely = str(get_global("likely_subtags").get(locale.replace("-", "_"), "")).split("_")
        land = likely[2:3]
    return "_".join([language, *land[:1]])
