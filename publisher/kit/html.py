"""Article bodies: strangers' HTML, Markdown or paragraphs made clean HTML, and that made prose."""

import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from urllib.parse import quote, urljoin, urlsplit

import nh3
from lxml import etree
from markdown_it import MarkdownIt

from publisher.core.text import clean_line, without_controls

_TAGS = {
    "a", "abbr", "address", "aside", "audio", "b", "bdi", "bdo", "blockquote", "br", "caption",
    "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em",
    "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i",
    "img", "ins", "kbd", "li", "mark", "ol", "p", "picture", "pre", "q", "rp", "rt", "ruby", "s",
    "samp", "section", "small", "source", "span", "strong", "sub", "summary", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "time", "tr", "u", "ul", "var", "video", "wbr",
}  # fmt: skip
# Not form: one left open would take the rest of the article with it.
_GONE_WITH_CONTENT = {
    "applet", "button", "canvas", "datalist", "embed", "frameset", "head", "iframe", "math",
    "noembed", "noframes", "object", "option", "script", "select", "style", "svg", "template",
    "textarea", "title", "xmp",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"dir", "lang", "title"},
    "a": {"href", "hreflang"},
    "audio": {"src"},
    "blockquote": {"cite"},
    "col": {"span"},
    "colgroup": {"span"},
    "del": {"cite", "datetime"},
    "img": {"align", "alt", "height", "sizes", "src", "srcset", "width"},
    "ins": {"cite", "datetime"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "q": {"cite"},
    "source": {"height", "media", "sizes", "src", "srcset", "type", "width"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "video": {"height", "poster", "src", "width"},
}
_SCHEMES = {"http", "https", "mailto", "tel"}
_EMBEDDABLE = {"http", "https"}
_ADDRESSES = {"href", "src", "cite", "poster"}

_AGAIN = nh3.Cleaner(
    tags=_TAGS,
    attributes={
        **_ATTRIBUTES,
        "audio": _ATTRIBUTES["audio"] | {"controls"},
        "video": _ATTRIBUTES["video"] | {"controls"},
    },
    url_schemes=_SCHEMES,
)

_ALWAYS_FINE = {"alt", "title", "rel", "media", "sizes"}
_WORDS = re.compile(r"[\w:.+/-]{1,40}%?")
_DIRECTIONS = {"ltr", "rtl", "auto"}

_IN_ADDRESS_IGNORED = re.compile(r"[\t\n\r\x00-\x1f\x7f-\x9f]")
_NOT_IN_ADDRESS = re.compile(r'[\s<>"{}|^`]')
_IMAGE_CANDIDATE = re.compile(r"([^\s,]\S*(?<!,))([^,]*)")
_SIZE = re.compile(r"(?:[0-9.]{1,9}[wxh]\s?){0,2}")

_TAG_NAME = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
# What else an HTML parser knows by name (WHATWG 13.2.6): also where HTML stands within SVG, MathML.
_KNOWN = _TAGS | _GONE_WITH_CONTENT | {
    "acronym", "annotation-xml", "area", "article", "base", "basefont", "bgsound", "big", "body",
    "center", "desc", "dialog", "dir", "fieldset", "font", "foreignobject", "form", "frame",
    "hgroup", "html", "image", "input", "keygen", "label", "legend", "link", "listing", "main",
    "malignmark", "marquee", "menu", "meta", "mglyph", "mi", "mn", "mo", "ms", "mtext", "nav",
    "nobr", "optgroup", "param", "plaintext", "rb", "rtc", "search", "strike", "track", "tt",
}  # fmt: skip
_NO_CHARACTER = "\ufdd0"  # `without_controls` takes it out again
_IMAGE_WITHOUT_SOURCE = re.compile(r'<img(?: (?!src)[a-z]+="[^"]*")*>')
# Tags of old pages by what stands for them today.
_RENAMED = {
    "strike": "s", "tt": "code", "acronym": "abbr", "center": "div", "dir": "ul", "menu": "ul",
}  # fmt: skip
_OLD_TAG = re.compile(rf"(</?)({'|'.join(_RENAMED)})(?=[ >])")
_HEADING = re.compile(r"<(/?)h([1-6])(?=[ >])")

_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)[^>]*>")
_VOID = {"br", "col", "hr", "img", "source", "wbr"}
_HOME = {"rp": "ruby", "rt": "ruby", "summary": "details"}

_CHEAP_TAGS = 20_000
_LOOSE = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)

_BLOCK_EDGE = re.compile(
    r"<(?=/?(?:p|li|br|div|d[dlt]|h[1-6r]|t[dhr]|[ou]l|address|article|aside|blockquote|caption"
    r"|details|footer|header|main|nav|pre|section|summary|table)\b)",
    re.IGNORECASE,
)
_NOT_PROSE = (
    "audio", "button", "figure", "iframe", "math", "noscript", "object", "script", "select",
    "style", "svg", "template", "textarea", "title", "video",
)  # fmt: skip
_BESIDE_PROSE = ("h1", "h2", "h3", "h4", "h5", "h6", "pre", "table")
_BARE_ADDRESS = re.compile(r"\s*https?://\S+\s*")

_markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def clean(html: str, base_url: str) -> str:
    """`html` with what a news article needs and nothing else; the same input, the same bytes.

    Every address in it is absolute, relative ones counting from `base_url`; one that cannot be
    made so, or has another scheme than http, https, mailto or tel, is dropped. So are jumps within
    the page (`#x`): what they lead to has lost its id, which could clash with those of the page
    around it. Headings begin at the second rank, for the title is the page's first, and leave out
    none on their way down. Tags of old pages become today's; of `<font>` and `<big>` the words
    stay.
    """
    html = _unknown_marked(_shallow(without_controls(html)))

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name in _ADDRESSES:
            return _address(value, base_url, _SCHEMES if tag == "a" else _EMBEDDABLE)
        if name == "srcset":
            return _srcset(value, base_url)
        if name == "align" and tag == "img":
            return value.lower() if value.lower() in ("left", "right") else None
        if name == "dir":
            return value.lower() if value.lower() in _DIRECTIONS else None
        if name in _ALWAYS_FINE:
            return value
        return value if not value or _WORDS.fullmatch(value) else None

    cleaned = nh3.clean(
        html,
        tags=_TAGS | _RENAMED.keys(),
        clean_content_tags=_GONE_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        # One a tag: nh3 writes several in an order that varies from run to run.
        set_tag_attribute_values={"audio": {"controls": ""}, "video": {"controls": ""}},
        url_schemes=_SCHEMES,
    )
    # Character references (`&#1;`) become characters only while nh3 reads them.
    cleaned = without_controls(cleaned)
    cleaned = _OLD_TAG.sub(lambda tag: tag[1] + _RENAMED[tag[2]], cleaned)
    # Read once more: where a tag was taken away, what stood in it may not stand in what is around
    # it, as a paragraph in a paragraph.
    cleaned = _AGAIN.clean(_at_home(cleaned))
    return _IMAGE_WITHOUT_SOURCE.sub("", _ranked(cleaned)).strip()


def from_markdown(text: str) -> str:
    """CommonMark with tables and strikethrough as HTML, still to be cleaned."""
    tokens = _markdown.parse(without_controls(text))
    for token in tokens:
        # Alignment as an attribute: styles are not kept.
        if token.type in ("th_open", "td_open") and (style := token.attrGet("style")):
            token.attrs = {"align": str(style).removeprefix("text-align:")}
    rendered: str = _markdown.renderer.render(tokens, _markdown.options, {})
    return rendered


def from_paragraphs(paragraphs: Iterable[str]) -> str:
    """Plain paragraphs as HTML; empty ones are left out."""
    return "\n".join(
        f"<p>{escape(paragraph.strip(), quote=False)}</p>"
        for paragraph in map(without_controls, paragraphs)
        if paragraph.strip()
    )


@lru_cache(maxsize=8)  # headline, standfirst and length of an article ask one after the other
def prose(html: str) -> str:
    """What HTML says in running text, on one clean line: without figures and their captions.

    Headings, tables, code and links that show their address are left out too, unless they are all
    there is.
    """
    spaced = _BLOCK_EDGE.sub(" <", html.replace("\0", ""))
    root = etree.fromstring(f"<div>{spaced}</div>".encode("utf-8", "ignore"), _LOOSE)
    etree.strip_elements(root, *_NOT_PROSE, with_tail=False)
    everything = _words_in(root)
    etree.strip_elements(root, *_BESIDE_PROSE, with_tail=False)
    for link in root.iter("a"):
        if link.text and _BARE_ADDRESS.fullmatch(link.text):
            link.text = None
    return clean_line(_words_in(root)) or clean_line(everything)


def _unknown_marked(html: str) -> str:
    """`html` with tags that mean nothing given names that nothing has; their words stay.

    Of `<text>`, `<list>` and others that have a meaning in SVG or MathML, nh3 drops the words too
    where they stand outside of these. What `<noscript>` holds (the true image of a lazy one) is
    mere text to it. Tags cannot just be taken away: `<nosc<noscript>ript>` would leave one behind.
    """
    return _TAG_NAME.sub(
        lambda tag: tag[0] if tag[1].lower() in _KNOWN else tag[0] + _NO_CHARACTER, html
    )


def _ranked(html: str) -> str:
    above: list[str] = []  # the ranks, as written, under which we are
    opened: list[int] = []

    def rank(match: re.Match[str]) -> str:
        if match[1]:
            return f"</h{opened.pop() if opened else match[2]}"
        while above and above[-1] >= match[2]:
            above.pop()
        above.append(match[2])
        opened.append(min(len(above) + 1, 6))
        return f"<h{opened[-1]}"

    return _HEADING.sub(rank, html)


def _at_home(html: str) -> str:
    """What may only stand right in one other tag gives up its own elsewhere; its words stay."""
    if not any(f"<{tag}" in html for tag in _HOME):
        return html
    opened: list[tuple[str, bool]] = [("", True)]  # tags, and whether they are kept

    def keep(match: re.Match[str]) -> str:
        end, tag = match[1], match[2]
        if end:
            kept = opened.pop()[1]
        else:
            kept = opened[-1][0] == _HOME.get(tag, opened[-1][0])
            if tag not in _VOID:
                opened.append((tag, kept))
        return match[0] if kept else ""

    return _TAG.sub(keep, html)


def _words_in(root: etree._Element) -> str:
    return etree.tostring(root, method="text", encoding="unicode")


def _shallow(html: str) -> str:
    """`html` in a form that nh3 reads in a second: its time grows with the square of the nesting.

    What has few tags is returned as it is; the rest is read by libxml2 first, which follows no
    nesting deeper than 256.
    """
    if html.count("<") <= _CHEAP_TAGS:
        return html
    root = etree.fromstring(f"<div>{html}</div>".encode(), _LOOSE)
    return etree.tostring(root, method="html", encoding="unicode")


def _address(value: str, base_url: str, schemes: set[str]) -> str | None:
    """`value` as a browser would understand it (WHATWG URL), absolute; None if it cannot be."""
    value = _IN_ADDRESS_IGNORED.sub("", value).strip()
    if not value or value.startswith("#"):
        return None
    try:
        if not urlsplit(value).scheme:
            value = urljoin(base_url, value.replace("\\", "/"))
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme not in schemes or (parts.scheme in _EMBEDDABLE and not parts.hostname):
        return None
    return _NOT_IN_ADDRESS.sub(lambda match: quote(match[0]), value)


def _srcset(value: str, base_url: str) -> str | None:
    kept = []
    for candidate in _IMAGE_CANDIDATE.finditer(value):
        url, size = _address(candidate[1], base_url, _EMBEDDABLE), candidate[2].strip()
        if url and _SIZE.fullmatch(size):
            kept.append(f"{url} {size}".rstrip())
    return ", ".join(kept) or None
