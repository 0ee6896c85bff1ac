"""Our own strict reading of the three formats, which needs no other program and never skips."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
DC = "{http://purl.org/dc/elements/1.1/}"
MEDIA = "{http://search.yahoo.com/mrss/}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_PART = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/{}-]|%[0-9A-Fa-f]{{2}})*"
_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._~!$&'()*+,;=:%-]+@)?[a-z0-9._-]+(?::\d+)?"
    rf"(?:/{_PART.format('')})(?:\?{_PART.format('?')})?(?:#{_PART.format('?')})?"
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;.*)?", re.ASCII)
_MARKUP = re.compile(r"</\w|<\w+@|&#|&(?:amp|lt|gt|quot|nbsp);")
_NO_TEXT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffd-\uffff"
    + "".join(f"{chr(p + 0xFFFE)}{chr(p + 0xFFFF)}" for p in range(0x10000, 0x110000, 0x10000))
    + "]"
)

_ONE = {"title", "link", "description", "guid", f"{CONTENT}encoded", f"{DC}creator"}
_RSS_ITEM = _ONE | {"pubDate", f"{DC}date", f"{DC}language", "enclosure"}
_RSS_MANY = {"category", f"{MEDIA}content"}


def rss_faults(data: bytes) -> list[str]:
    """Whatever RSS 2.0, its best practices or common readers would take amiss."""
    return [*_in_rss(_read(data))]


def atom_faults(data: bytes) -> list[str]:
    """Whatever RFC 4287 or common readers would take amiss."""
    return [*_in_atom(_read(data))]


def json_faults(data: bytes) -> list[str]:
    """Whatever JSON Feed 1.1 would take amiss."""
    if _NO_TEXT.search(data.decode()):
        return ["no text"]
    return [*_in_json(json.loads(data))]


def html_faults(html: str) -> list[str]:
    """What in a text is not well nested, or stands where it may not."""
    reader = _Nesting()
    reader.feed(html)
    reader.close()
    return reader.faults + [f"never closed: {tag}" for tag in reader.opened]


def _read(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(huge_tree=True))


def _in_rss(root: Any) -> Iterator[str]:
    yield from _texts(root)
    [channel] = root
    yield from _moment_2822(channel.findtext("lastBuildDate"))
    items = channel.findall("item")
    for guid, count in Counter(item.findtext("guid") for item in items).items():
        if count > 1 or not guid:
            yield f"{count} items are {guid!r}"
    for item in items:
        found = Counter(each.tag for each in item)
        for tag in ("title", "link", "description", "guid"):
            if not item.findtext(tag):
                yield f"no {tag}"
        yield from (f"{tag} in an item" for tag in found.keys() - _RSS_ITEM - _RSS_MANY)
        yield from (f"two {tag}" for tag in _RSS_ITEM if found[tag] > 1)
        if found["pubDate"] + found[f"{DC}date"] != 1:
            yield "not one date"
        if "pubDate" in found:
            yield from _moment_2822(item.findtext("pubDate"))
        if f"{DC}date" in found:
            yield from _moment_3339(item.findtext(f"{DC}date"))
        yield from _url(item.findtext("link"))
        if item.find("guid").get("isPermaLink") != "false":
            yield "an id that is taken for an address"
        if f"{DC}language" in found:
            yield from _language(item.findtext(f"{DC}language"))
        for each in item.findall("enclosure"):
            yield from _file(each.attrib)
        for each in item.findall(f"{MEDIA}content"):
            yield from _url(each.get("url"))
            if "type" in each.attrib:
                yield from _type(each.get("type"))
        if _MARKUP.search(item.findtext("title")):
            yield f"a title that looks like HTML: {item.findtext('title')[:99]}"
        tags = [each.tag for each in item]
        if f"{CONTENT}encoded" in found and tags.index("description") > tags.index(
            f"{CONTENT}encoded"
        ):
            yield "a description behind the text"


def _in_atom(root: Any) -> Iterator[str]:
    yield from _texts(root)
    entries = root.findall(f"{ATOM}entry")
    for tag in ("id", "updated"):
        for said, count in Counter(each.findtext(f"{ATOM}{tag}") for each in entries).items():
            if count > 1:
                yield f"{count} entries of {tag} {said}"
    for each in (root, *entries):
        for tag in ("id", "title", "updated"):
            if len(each.findall(f"{ATOM}{tag}")) != 1 or not each.findtext(f"{ATOM}{tag}"):
                yield f"not one {tag}"
    for entry in entries:
        yield from _moment_3339(entry.findtext(f"{ATOM}updated"))
        yield from _moment_3339(entry.findtext(f"{ATOM}published"))
        if len(entry.findall(f"{ATOM}published")) != 1:
            yield "not published once"
        if _XML_LANG in entry.attrib:
            yield from _language(entry.get(_XML_LANG))
        [content] = entry.findall(f"{ATOM}content")
        if content.get("type") != "html" or not content.text:
            yield "no content"
        if entry.find(f"{ATOM}summary") is not None and not entry.findtext(f"{ATOM}summary"):
            yield "an empty summary"
        for plain in (*entry.iter(f"{ATOM}name"), *entry.findall(f"{ATOM}summary")):
            if not plain.text or _MARKUP.search(plain.text):
                yield f"a name or summary that looks like HTML, or is empty: {plain.text!r}"
        for category in entry.findall(f"{ATOM}category"):
            if not category.get("term") or not category.get("label"):
                yield "a category without a name"
        links = entry.findall(f"{ATOM}link")
        if [each.get("rel") for each in links].count("alternate") != 1:
            yield "not one address"
        for link in links:
            yield from _url(link.get("href"))
            yield from (f"an empty {name} of a link" for name, said in link.items() if not said)
            if "type" in link.attrib:
                yield from _type(link.get("type"))
            if link.get("rel") == "enclosure":
                yield from _file({"url": link.get("href"), **link.attrib})


def _in_json(feed: Mapping[str, Any]) -> Iterator[str]:
    if feed["version"] != "https://jsonfeed.org/version/1.1" or not feed["title"]:
        yield "no JSON Feed 1.1"
    for item in feed["items"]:
        yield from (f"no {key}" for key in ("id", "url", "title") if not item.get(key))
        if ("content_html" in item) == ("content_text" in item):
            yield "not one content"
        yield from (f"an empty {key}" for key, said in item.items() if not said)
        for key in {"url", "image"} & item.keys():
            yield from _url(item[key])
        for key in ("date_published", "date_modified"):
            yield from _moment_3339(item[key])
        if "language" in item:
            yield from _language(item["language"])
        for each in item.get("attachments", ()):
            yield from _file(
                {"url": each["url"], "type": each["mime_type"], "length": each["size_in_bytes"]}
            )
        names = [each["name"] for each in item.get("authors", ())] + item.get("tags", [])
        if not all(isinstance(name, str) and name for name in names):
            yield "a name that is none"


def _texts(root: Any) -> Iterator[str]:
    for element in root.iter():
        for said in (element.text or "", *element.attrib.values()):
            if found := _NO_TEXT.search(said):
                yield f"no text in {element.tag}: {found[0]!r}"


def _file(said: Mapping[str, Any]) -> Iterator[str]:
    yield from _url(said["url"])
    yield from _type(said["type"])
    if not re.fullmatch(r"\d+", str(said["length"]), re.ASCII):
        yield f"no length: {said['length']!r}"


def _url(url: str | None) -> Iterator[str]:
    if not _URL.fullmatch(url or ""):
        yield f"no address: {url!r}"


def _type(said: str | None) -> Iterator[str]:
    if not _TYPE.fullmatch(said or ""):
        yield f"no type: {said!r}"


def _language(said: str | None) -> Iterator[str]:
    if not _LANGUAGE.fullmatch(said or ""):
        yield f"no language: {said!r}"


def _moment_2822(said: str | None) -> Iterator[str]:
    """English names, the right day of the week, no year that two digits might mean."""
    try:
        moment = parsedate_to_datetime(said or "")
        is_one = moment.year >= 1900 and format_datetime(moment) == said
    except ValueError:
        is_one = False
    if not is_one:
        yield f"no date: {said!r}"


def _moment_3339(said: str | None) -> Iterator[str]:
    if datetime.fromisoformat(said or "").tzinfo is None:
        yield f"no moment: {said!r}"


_VOID = {"br", "col", "hr", "img", "source", "wbr"}
_NEVER_IN_ITSELF = {"a", "p", "li"}
_HOME = {"rt": "ruby", "rp": "ruby", "summary": "details"}


class _Nesting(HTMLParser):
    """Reads what was cleaned, which closes all that it opens."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        around = self.opened[-1] if self.opened else ""
        heading = re.fullmatch(r"h\d", tag) and re.fullmatch(r"h\d", around)
        astray = around != _HOME.get(tag, around) or (tag == around and tag in _NEVER_IN_ITSELF)
        if heading or astray:
            self.faults.append(f"{tag} in {around}")
        for name, value in attrs:
            if name in ("href", "src", "cite", "poster") and not re.match(
                r"https?://.|mailto:|tel:", value or "", re.IGNORECASE
            ):
                self.faults.append(f"{name}={value!r}")
        if tag not in _VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.opened or self.opened.pop() != tag:
            self.faults.append(f"{tag} ends what did not begin")
