"""Reads a WordPress export (WXR) item by item, in little memory and in whatever state it is.

The file is cut at `<item>` before it is parsed, so that one broken item costs no other: a parser of
the whole stops for good at the first fault or, told to recover, drops text without a word.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import BinaryIO

from lxml import etree

from publisher.core.text import clean_line
from publisher.errors import UnreadableError
from publisher.sources.port import Unusable
from publisher.sources.wordpress.pieces import LARGEST, Piece, cut, mended, utf8

_CHUNK = 1 << 20
_NAMESPACES = {
    "wp": "http://wordpress.org/export/1.2/",
    "excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_KNOWN = {
    re.compile(r"https?://wordpress\.org/export/[\d.]+/?"): "wp",
    re.compile(r"https?://wordpress\.org/export/[\d.]+/excerpt/?"): "excerpt",
    re.compile(r"https?://purl\.org/rss/1\.0/modules/content/?"): "content",
    re.compile(r"https?://purl\.org/dc/elements/1\.1/?"): "dc",
}

_TITLE = re.compile(rb"<title[^>]*>(?:<!\[CDATA\[)?([^\]<]*)")
_ID = re.compile(rb"post_id>(?:<!\[CDATA\[)?(\d{1,20})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A category as the export lists it."""

    nicename: str
    name: str
    parent: str = ""
    """Its parent's nicename."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A post, page, attachment or whatever else WordPress keeps as one."""

    texts: dict[str, str]
    """What its elements say, by names like `title`, `wp:post_id`, `content:encoded`."""
    meta: dict[str, str]
    categories: tuple[tuple[str, str], ...]
    """Nicename and name of each."""

    def __getitem__(self, name: str) -> str:
        return self.texts.get(name, "").strip()


_REASONS = {
    Piece.UNCLOSED: "the next item begins before this one ends",
    Piece.TOO_LARGE: f"it is larger than {LARGEST // 1_000_000} MB",
    Piece.CUT: "the file breaks off within it; export it again",
}


@dataclass(slots=True)
class Export:
    """One reading of an export. What stands around the items is known once they are passed."""

    file: BinaryIO
    progress: Callable[[int], None] = lambda _: None
    """Told how many bytes have been read."""
    blog: str = ""
    """Address of the exporting blog."""
    language: str = ""
    authors: dict[str, str] = field(default_factory=dict)
    """Display names by login."""
    terms: dict[str, Term] = field(default_factory=dict)
    """Categories by nicename."""
    _around: etree.XMLPullParser = field(init=False)
    _parser: etree.XMLParser = field(init=False)
    _depth: int = 0
    _ended: bool = False
    _head: bytes = b""

    def __post_init__(self) -> None:
        # Nothing is fetched, no entity is put in, and libxml2's limits on depth and size hold.
        self._parser = etree.XMLParser(
            encoding="utf-8", resolve_entities=False, remove_comments=True, remove_pis=True
        )
        self._around = etree.XMLPullParser(
            events=("start", "end"),
            encoding="utf-8",
            resolve_entities=False,
            remove_comments=True,
            remove_pis=True,
        )

    def items(self) -> Iterator[bytes | Unusable]:
        """Each item as it stands in the file, for `parse`, or what is wrong with it.

        Raises UnreadableError when the file is no WordPress export.
        """
        whole = True
        for piece, raw in cut(utf8(self._chunks())):
            if piece is Piece.AROUND:
                self._read_around(raw)
            elif not self._head:
                raise UnreadableError("it is not a WordPress export: an item before its beginning")
            elif piece is Piece.ITEM:
                yield raw
            else:
                whole = piece is not Piece.CUT
                yield Unusable(item=name_of(raw), reason=_REASONS[piece])
        if not self._head:
            raise UnreadableError("it is not a WordPress export: it has no beginning")
        if whole and not self._ended:
            yield Unusable(item="the end", reason="the file breaks off; export it again")

    def parse(self, raw: bytes) -> Item:
        """Raises UnreadableError when the item is not XML even after what is usual was mended."""
        try:
            return _item(etree.fromstring(self._head + raw + b"</rss>", self._parser))
        except etree.XMLSyntaxError:
            pass
        try:
            return _item(etree.fromstring(self._head + mended(raw) + b"</rss>", self._parser))
        except etree.XMLSyntaxError as error:
            raise UnreadableError(f"it is not XML: {_said(error)}") from None

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self.file.read(_CHUNK):
            self.progress(self.file.tell())
            yield chunk

    def _read_around(self, raw: bytes) -> None:
        if self._ended or not raw.strip():
            return
        if not self._head and b"<!ENTITY" in raw:
            raise UnreadableError("it declares entities, which no WordPress export does")
        try:
            self._around.feed(mended(raw))
            for event, element in self._around.read_events():
                if isinstance(element, etree._Element):
                    self._meet(event, element)
        except etree.XMLSyntaxError as error:
            if not self._head:
                raise UnreadableError(f"it is not a WordPress export: {_said(error)}") from None
            self._ended = True  # its items still say what they say

    def _meet(self, event: str, element: etree._Element) -> None:
        if event == "start":
            self._depth += 1
            if self._depth == 1:
                self._read_root(element)
            return
        self._depth -= 1
        self._ended = self._depth == 0
        channel = element.getparent()
        if self._depth == 2 and channel is not None:
            self._read_fact(element)
            element.clear()
            while element.getprevious() is not None:
                del channel[0]

    def _read_root(self, root: etree._Element) -> None:
        spaces = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
        if root.tag != "rss" or not any(_short(f"{{{uri}}}x") == "wp:x" for uri in spaces.values()):
            raise UnreadableError("it is not a WordPress export: its beginning says something else")
        written = "".join(
            f' xmlns:{prefix}="{escape(uri)}"' for prefix, uri in {**_NAMESPACES, **spaces}.items()
        )
        self._head = f"<rss{written}>".encode()

    def _read_fact(self, element: etree._Element) -> None:
        said = {_short(each.tag): (each.text or "").strip() for each in element}
        match _short(element.tag):
            case "wp:base_blog_url":
                self.blog = (element.text or "").strip()
            case "link":
                self.blog = self.blog or (element.text or "").strip()
            case "language":
                self.language = (element.text or "").strip()
            case "wp:author":
                self.authors[said.get("wp:author_login", "")] = said.get(
                    "wp:author_display_name", ""
                )
            case "wp:category":
                term = Term(
                    nicename=said.get("wp:category_nicename", ""),
                    name=said.get("wp:cat_name", ""),
                    parent=said.get("wp:category_parent", ""),
                    description=said.get("wp:category_description", ""),
                )
                self.terms[term.nicename] = term


def name_of(raw: bytes) -> str:
    """What to call an item that cannot be read."""
    title, number = _TITLE.search(raw), _ID.search(raw)
    name = f"post {number[1].decode()}" if number else "an item"
    return f"{name} “{clean_line(title[1].decode('utf-8', 'replace'))[:80]}”" if title else name


def _item(root: etree._Element) -> Item:
    texts: dict[str, str] = {}
    meta: dict[str, str] = {}
    categories: list[tuple[str, str]] = []
    for element in root[0]:
        name = _short(element.tag)
        if name == "wp:postmeta":
            said = {_short(each.tag): each.text or "" for each in element}
            meta.setdefault(said.get("wp:meta_key", ""), said.get("wp:meta_value", ""))
        elif name == "category":
            if element.get("domain") == "category":
                categories.append((element.get("nicename") or "", element.text or ""))
        elif name not in texts and not len(element):
            texts[name] = element.text or ""
    return Item(texts=texts, meta=meta, categories=tuple(categories))


@lru_cache(1000)
def _short(tag: object) -> str:
    """A tag by the prefix that WordPress writes, whichever version of the namespace it is in."""
    if not isinstance(tag, str):
        return ""  # a comment
    space, _, local = tag.rpartition("}")
    prefix = next((name for known, name in _KNOWN.items() if known.fullmatch(space[1:])), "")
    return f"{prefix}:{local}" if prefix else tag


def _said(error: etree.XMLSyntaxError) -> str:
    return clean_line(error.msg or "it cannot be read")[:200]
