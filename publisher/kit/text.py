"""Strangers' words made safe to show: one line, many lines, the start of them, HTML as text."""

import html as entities
import re
import unicodedata

import nh3
from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from lxml import etree
from lxml import html as lxml_html

# What XML 1.0 cannot carry, and C1: terminals obey some of those.
_ILLEGAL = r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff"
_UNFIT_IN_LINE = re.compile(rf"[\s{_ILLEGAL}]+")
_UNFIT_IN_TEXT = re.compile(rf"[{_ILLEGAL}]")
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_PAGE_BREAK = re.compile(r"[\x0b\x0c]")
_BYTE_ORDER_MARK = "\ufeff"
_INVISIBLE_EDGES = " \u00ad\u200b\u2060"

_POP_EMBEDDING, _POP_ISOLATE = "\u202c", "\u2069"
_EMBEDDINGS = "\u202a\u202b\u202d\u202e"
_ISOLATES = "\u2066\u2067\u2068"
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")

_BLOCK_EDGE = re.compile(
    r"<(?=/?(?:address|aside|article|blockquote|br|caption|d[dlt]|details|div|footer|h[1-6r]|header"
    r"|li|main|nav|ol|p|pre|section|summary|table|t[dhr]|ul)\b)",
    re.IGNORECASE,
)
_CHEAP_TAGS = 20_000
_NOT_PROSE = {
    "audio", "button", "figure", "iframe", "math", "noscript", "object", "script", "select",
    "style", "svg", "template", "textarea", "title", "video",
}  # fmt: skip

_AS_TEXT = ParserConfig(
    css=STRICT_CSS_PROFILE
    | {
        "blockquote": HtmlElement(
            display=Display.block, margin_before=1, margin_after=1, padding_inline=4
        ),
        "dt": HtmlElement(display=Display.block),
        "dd": HtmlElement(display=Display.block, padding_inline=4),
        "figcaption": HtmlElement(display=Display.block),
    }
)


def clean_line(text: str) -> str:
    """`text` as one line fit for a title, a name or a header.

    Control characters, lone surrogates, line breaks and runs of white space become one space;
    bidirectional controls without their partner go; the rest is composed (NFC).
    """
    text = unicodedata.normalize("NFC", _balanced(text.replace(_BYTE_ORDER_MARK, "")))
    return _UNFIT_IN_LINE.sub(" ", text).strip(_INVISIBLE_EDGES)


def clean_text(text: str) -> str:
    """As `clean_line`, line by line: line breaks stay, of several empty lines one."""
    lines = (clean_line(line) for line in _LINE_BREAK.split(text))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def without_controls(text: str) -> str:
    """`text` with its layout (tabs, spaces, lines) but nothing that XML or HTML cannot carry."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace(_BYTE_ORDER_MARK, "")
    return _UNFIT_IN_TEXT.sub("", _PAGE_BREAK.sub(" ", text))


def opening_words(text: str, limit: int = 280) -> str:
    """The first words of `text` on one line, at most `limit` characters with the ellipsis."""
    text = clean_line(text)
    if len(text) <= limit:
        return text
    end = limit - 1
    while end > 0 and _joins(text[end - 1], text[end]):
        end -= 1
    start = text[:end]
    # A script without spaces (or one endless word) is cut where it stands.
    if text[end] != " " and (space := start.rfind(" ")) > limit // 2:
        start = start[:space]
    return clean_line(start).rstrip(" ,;:.–—-(«“„¿¡") + "…"


def plain(html: str) -> str:
    """Clean HTML as text to read: paragraphs, lists and tables laid out with spaces and lines."""
    text = get_text(without_controls(html), _AS_TEXT)
    lines = (line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def inline_text(html: str) -> str:
    """The prose of HTML on one line, without markup, figures and their captions."""
    spaced = _BLOCK_EDGE.sub(" <", shallow(without_controls(html)))
    return clean_line(
        entities.unescape(nh3.clean(spaced, tags=set(), clean_content_tags=_NOT_PROSE))
    )


def shallow(html: str) -> str:
    """`html` in a form that nh3 reads in a second: its time grows with the square of the nesting.

    What has few tags is returned as it is; the rest is read by libxml2 first, which follows no
    nesting deeper than 256.
    """
    if html.count("<") <= _CHEAP_TAGS:
        return html
    try:
        parser = lxml_html.HTMLParser(encoding="utf-8")
        tree = lxml_html.document_fromstring(html.encode(), parser=parser)
    except etree.ParserError:
        return ""
    written: str = lxml_html.tostring(tree, encoding="unicode")
    return written


def _balanced(line: str) -> str:
    """`line` without bidirectional controls that lack a partner: they would turn what follows.

    Pairs as UAX #9 does (BD9, X7): an isolate's end also closes embeddings left open inside it.
    """
    if not _BIDI.search(line):
        return line
    opened: list[int] = []
    isolates = 0
    partnerless: set[int] = set()
    for at, char in enumerate(line):
        if char in _EMBEDDINGS or char in _ISOLATES:
            opened.append(at)
            isolates += char in _ISOLATES
        elif char == _POP_EMBEDDING:
            if opened and line[opened[-1]] in _EMBEDDINGS:
                opened.pop()
            else:
                partnerless.add(at)
        elif char == _POP_ISOLATE:
            if isolates:
                isolates -= 1
                while line[start := opened.pop()] in _EMBEDDINGS:
                    partnerless.add(start)
            else:
                partnerless.add(at)
    partnerless.update(opened)
    return "".join(char for at, char in enumerate(line) if at not in partnerless)


def _joins(before: str, after: str) -> bool:
    """Whether the two are parts of one letter or emoji as the reader sees it."""
    return (
        unicodedata.category(after).startswith("M")
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
