"""Reads one Markdown or HTML file with front matter as Jekyll, Hugo and Zola write it."""

import mimetypes
import re
from datetime import UTC, date, datetime, tzinfo
from html import escape
from pathlib import PurePosixPath
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from lxml import etree
from lxml import html as lxml_html

from publisher.core.model import Candidate, Enclosure, Image, Related
from publisher.core.text import clean_line, without_controls
from publisher.errors import UnreadableError
from publisher.kit.html import from_markdown, prose
from publisher.sources.dates import FORMS, moment
from publisher.sources.fields import Field, Fields, mapping, split, words

MARKDOWN = (".md", ".markdown")
HTML = (".html", ".htm")
LIMIT = 5_000_000
"""Bytes, or characters, of the largest file that is read."""

# Hugo's order: `publishDate` says from when on an article is public, `date` what it is of.
_PUBLISHED = ("publishDate", "pubDate", "published", "publishedAt", "datePublished", "date")
_UPDATED = ("updated", "lastmod", "lastModifiedAt", "lastModified", "modified", "updatedAt",
            "modifiedAt", "dateModified")  # fmt: skip
_SUMMARY = ("summary", "description", "excerpt", "abstract", "teaser", "subtitle")
_IMAGE = ("image", "featuredImage", "featureImage", "cover", "coverImage", "images", "header",
          "hero", "heroImage", "thumbnail", "ogImage")  # fmt: skip
_IMAGE_URL = ("url", "src", "path", "image", "file", "overlayImage", "teaser")
_ALT = ("altText", "imageAlt", "imageDescription", "featuredImageAlt", "coverAlt")
_CAPTION = ("imageCaption", "featuredImageCaption", "coverCaption")

_TRUE = {"true", "yes", "on", "1", "y"}
_FALSE = {"false", "no", "off", "0", "n"}
_WEB = re.compile(r"https?://[^\s/]", re.IGNORECASE)
_DATED_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T[\d:-]+Z?)?(?:[-_](.+))?")
_PAGE = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_OPENING_HEADING = re.compile(r"\s*<h([1-6])(?:\s[^<>]*)?>", re.IGNORECASE)
_FIRST_RANK = re.compile(r"<h(1)(?:\s[^<>]*)?>", re.IGNORECASE)
_INDEX_PAGE = re.compile(r"index\.(?:html?|php)")
# Of its own: the module's reads what this machine has in /etc/mime.types.
_TYPES = mimetypes.MimeTypes()


def parse(text: str, *, zone: str, path: str) -> Candidate:
    """The article that a file holds, its body as HTML not yet cleaned.

    `path` is the file's key: its name tells Markdown from HTML, and may give date and slug. Dates
    without a zone are read in `zone`. Raises UnreadableError, and nothing else, for what cannot be
    an article: broken front matter, a date or draft mark that says neither, no words at all.
    """
    if len(text) > LIMIT:
        raise UnreadableError(f"it is larger than {LIMIT // 1_000_000} MB")
    if "\0" in text:
        raise UnreadableError("it is not a text file")
    file = PurePosixPath(path)
    local = ZoneInfo(zone)
    fields, body = split(without_controls(text))
    page_title = page_summary = page_language = ""
    if file.suffix.lower() not in HTML:
        body = from_markdown(body)
    elif _PAGE.search(body[:2000]):
        page_title, page_summary, page_language, body = _page(body)
    title, body = _title(clean_line(fields.text("title")), body, page_title)
    summary = fields.text(*_SUMMARY) or page_summary
    if not (title or summary or prose(body)):
        raise UnreadableError("it has neither a title nor text")
    name_date, name_slug = _from_name(file)
    return Candidate(
        key=path,
        title=title,
        summary=summary,
        body_html=body,
        authors=tuple(dict.fromkeys(fields.names("authors", "author"))),
        categories=tuple(dict.fromkeys(_categories(fields))),
        language=fields.text("language", "lang", "locale") or page_language,
        url=_url(fields),
        slug=_slug(fields) or name_slug,
        published_at=_first_date(fields, _PUBLISHED, local) or moment(name_date, local),
        updated_at=_first_date(fields, _UPDATED, local),
        image=_image(fields),
        enclosures=_enclosures(fields),
        related=_related(fields),
        correction=fields.text("correction"),
        draft=_is_draft(fields) or "_drafts" in file.parts,
    )


def _page(text: str) -> tuple[str, str, str, str]:
    """Title, description, language and body of a whole HTML page; of its body the article alone."""
    parser = lxml_html.HTMLParser(encoding="utf-8")
    try:
        tree = lxml_html.document_fromstring(text.encode(), parser=parser)
    except etree.ParserError:
        return "", "", "", ""
    described = tree.xpath("string(/html/head/meta[@name='description']/@content)")
    articles = tree.findall(".//article")
    body = articles[0] if len(articles) == 1 else tree.find(".//main")
    if body is None:
        body = tree.find("body")
    inside = ""
    if body is not None:
        inside = escape(body.text or "", quote=False) + "".join(
            lxml_html.tostring(child, encoding="unicode") for child in body
        )
    title = tree.findtext("head/title") or ""
    return title.strip(), str(described).strip(), tree.get("lang") or "", inside


def _title(title: str, body: str, page_title: str) -> tuple[str, str]:
    """The title, and the body without the heading that is it or repeats it.

    Without a title of its own the article is called what its first words are if they are a
    heading, or its first heading of the first rank.
    """
    start = _OPENING_HEADING.match(body) or (None if title else _FIRST_RANK.search(body))
    end = re.compile(rf"</h{start[1]}\s*>", re.I).search(body, start.end()) if start else None
    if start and end:
        heading = prose(body[start.end() : end.start()])
        if heading and (not title or heading.casefold() == title.casefold()):
            return title or heading, body[: start.start()] + body[end.end() :]
    return title or page_title, body


def _categories(fields: Fields) -> list[str]:
    names = fields.names("category")
    for field in fields.all("categories"):
        if not isinstance(field.value, str):
            names += fields.names(field.key)
        elif "," in field.value:
            names += [name.strip() for name in field.value.split(",") if name.strip()]
        else:
            # Jekyll, which writes YAML only, takes several names with spaces in between.
            names += field.value.split() if fields.yaml else [field.value.strip()]
    return names


def _url(fields: Fields) -> str:
    """Its address elsewhere: the first absolute one."""
    fit = fields.all("canonicalUrl", "canonical", "externalUrl", "url", "link", "permalink")
    return next((url for field in fit if _WEB.match(url := words(field.value))), "")


def _slug(fields: Fields) -> str:
    if slug := fields.text("slug"):
        return slug
    for field in fields.all("url", "path", "permalink"):
        address = words(field.value)
        # Not `pretty` and the like, the names of Jekyll's own schemes, nor its `:placeholders`.
        if _WEB.match(address) or (field.key == "permalink" and "/" not in address):
            continue
        segments = [each for each in re.split(r"[?#]", address)[0].split("/") if each]
        if segments and _INDEX_PAGE.fullmatch(segments[-1]):
            segments.pop()
        if segments and ":" not in segments[-1]:
            return re.sub(r"\.(?:html?|php)$", "", unquote(segments[-1]))
    return ""


def _from_name(file: PurePosixPath) -> tuple[str, str]:
    """Date and slug as a name like `2026-11-20-title.md` or `title/index.md` has them."""
    name = file.parent.name if file.stem == "index" else file.stem
    dated = _DATED_NAME.fullmatch(name)
    if not dated or moment(dated[1], UTC) is None:
        return "", name
    return dated[1], dated[2] or name


def _first_date(fields: Fields, keys: tuple[str, ...], zone: tzinfo) -> datetime | None:
    for field in fields.all(*keys):
        if field.key.casefold() == "published" and _truth(field) is not None:
            continue
        found = moment(field.value if isinstance(field.value, date) else words(field.value), zone)
        if found is None:
            raise field.problem(f"cannot be read as a date; write it like {FORMS}")
        return found
    return None


def _image(fields: Fields) -> Image | None:
    for field in fields.all(*_IMAGE):
        for each in _listed(field.value):
            of_image = Fields(mapping(each))
            url = of_image.text(*_IMAGE_URL) or words(each)
            if url and url.casefold() not in _TRUE | _FALSE:
                return Image(
                    url=url,
                    alt=of_image.text("alt", *_ALT) or fields.text(*_ALT),
                    caption=of_image.text("caption", *_CAPTION) or fields.text(*_CAPTION),
                )
    return None


def _enclosures(fields: Fields) -> tuple[Enclosure, ...]:
    found = []
    for field in fields.all("enclosures", "enclosure"):
        for each in _listed(field.value):
            enclosure = Fields(mapping(each))
            length = enclosure.text("length", "size")
            if url := enclosure.text("url", "src", "file") or words(each):
                guess = _TYPES.guess_type(url)[0] or "application/octet-stream"
                found.append(
                    Enclosure(
                        url=url,
                        type=enclosure.text("type", "mimeType") or guess,
                        length=int(length) if re.fullmatch(r"[0-9]{1,18}", length) else 0,
                    )
                )
    return tuple(found)


def _related(fields: Fields) -> tuple[Related, ...]:
    found = []
    for field in fields.all("related"):
        for each in _listed(field.value):
            link = Fields(mapping(each))
            text = words(each)
            url = link.text("url", "link", "href") or (text if _WEB.match(text) else "")
            if title := link.text("title", "name", "text") or text or url:
                found.append(Related(title=title, url=url, caption=link.text("caption")))
    return tuple(found)


def _is_draft(fields: Fields) -> bool:
    """Raises UnreadableError where a mark is neither yes nor no: better late than leaked."""
    for field in (*fields.all("draft"), *fields.all("withdrawn")):
        truth = _truth(field)
        if truth is None:
            raise field.problem("is neither true nor false")
        if truth:
            return True
    return any(_truth(field) is False for field in fields.all("published"))


def _truth(field: Field) -> bool | None:
    word = words(field.value).casefold()
    return word in _TRUE if word in _TRUE | _FALSE else None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
