"""Cleans a candidate at the door: after this no stranger's byte is trusted less than our own."""

from dataclasses import asdict, replace
from urllib.parse import urljoin, urlsplit

import structlog

from publisher.core.identity import stable_hash
from publisher.core.intake import Offered
from publisher.core.links import addresses_of
from publisher.core.model import Candidate, CategoryName, Image, Related, Site
from publisher.core.text import clean_line, clean_text
from publisher.errors import UnreadableError
from publisher.kit import html

_log = structlog.get_logger()

MAX_CATEGORIES = 100
"""Each is a feed of its own, to be written again with every article in it."""


def offer(candidate: Candidate, base_url: str, site: Site) -> Offered:
    """What the candidate says, fit to be kept. Raises UnreadableError if it says nothing."""
    base = base_url or site.url + "/"
    paragraphs = tuple(filter(None, map(clean_line, candidate.paragraphs)))
    body = html.from_paragraphs(paragraphs) if paragraphs else candidate.body_html
    body_html = html.clean(body, base)
    title = clean_line(candidate.title)
    summary = clean_text(candidate.summary)
    if not title and not html.prose(body_html) and not summary:
        raise UnreadableError("it has neither a title nor text")
    names = tuple(name for each in candidate.categories if (name := _category(each)))
    if len(names) > MAX_CATEGORIES:
        raise UnreadableError(
            f"it names {len(names)} categories; more than {MAX_CATEGORIES} are a mistake"
        )
    offered = Offered(
        title=title,
        summary=summary,
        body_html=body_html,
        paragraphs=paragraphs,
        authors=tuple(filter(None, map(clean_line, candidate.authors))),
        categories=names or (site.default_category,),
        language=_language(candidate.language),
        url=_web_address(candidate.url, base),
        slug=clean_line(candidate.slug),
        image=_image(candidate.image, base),
        enclosures=tuple(
            replace(each, url=url, type=clean_line(each.type))
            for each in candidate.enclosures
            if (url := _web_address(each.url, base))
        ),
        related=tuple(
            Related(
                title=clean_line(each.title) or url,
                url=url,
                caption=clean_line(each.caption),
            )
            for each in candidate.related
            for url in [_web_address(each.url, base)]
        ),
        correction=clean_text(candidate.correction),
        published_at=candidate.published_at,
        updated_at=candidate.updated_at,
        draft=candidate.draft,
        content_hash="",
    )
    if unfit := _left_out(candidate, base):
        _log.warning("left out of an article", article=title or candidate.key, what=unfit)
    return replace(offered, content_hash=content_hash(offered))


def content_hash(offered: Offered) -> str:
    """Of all that readers see of an article, but for its categories and its date."""
    return stable_hash(
        offered.title,
        offered.summary,
        offered.body_html,
        list(offered.authors),
        offered.language,
        offered.url,
        asdict(offered.image) if offered.image else None,
        [asdict(each) for each in offered.enclosures],
        [asdict(each) for each in offered.related],
        offered.correction,
        offered.updated_at,
    )


def _left_out(candidate: Candidate, base: str) -> list[str]:
    """What is said of an article that nothing can be made of; its text always stays."""
    unfit = [
        f"{what}: {url[:200]}"
        for what, url in addresses_of(candidate)
        if not _web_address(url, base)
    ]
    if candidate.language and not _language(candidate.language):
        unfit.append(f"its language: {candidate.language[:200]}")
    return unfit


def _category(name: str | CategoryName | None) -> str | CategoryName | None:
    """The name cleaned; nothing where nothing of it is left."""
    if not isinstance(name, CategoryName):
        return clean_line(name or "")
    title = clean_line(name.title)
    parent = _category(name.parent)
    return title and replace(
        name,
        title=title,
        slug=clean_line(name.slug),
        description=clean_text(name.description),
        parent=parent if isinstance(parent, CategoryName) else None,
    )


def _web_address(url: str, base: str) -> str:
    """The address made absolute, or nothing where it is not one of the web."""
    url = clean_line(url)
    if not url:
        return ""
    try:
        absolute = urljoin(base, url)
        parts = urlsplit(absolute)
    except ValueError:
        return ""
    return absolute if parts.scheme in ("http", "https") and parts.hostname else ""


def _image(image: Image | None, base: str) -> Image | None:
    if image is None or not (url := _web_address(image.url, base)):
        return None
    return replace(
        image,
        url=url,
        alt=clean_line(image.alt),
        caption=clean_line(image.caption),
        type=clean_line(image.type),
    )


def _language(tag: str) -> str:
    """A language tag of letters, digits and hyphens (BCP 47), or nothing."""
    tag = clean_line(tag).replace("_", "-")
    fit = len(tag) <= 35 and all(part.isascii() and part.isalnum() for part in tag.split("-"))
    return tag if fit else ""
