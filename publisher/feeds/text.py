"""Makes words fit to stand in XML and finds an article's opening words."""

import re

from lxml import html
from lxml.etree import LxmlError

# All that XML 1.0 (2.2) has no place for: one such character and the whole feed is unreadable.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_APART = (
    "p",
    "div",
    "br",
    "li",
    "blockquote",
    "section",
    "pre",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
)
_NO_PROSE = ("figure", "table", "script", "style")


def legible(text: str) -> str:
    """Without the characters that XML cannot hold, line ends as plain newlines."""
    return _ILLEGAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """Legible, and every run of white space one space."""
    return " ".join(legible(text).split())


def prose(body_html: str) -> str:
    """What a body says, as one line of plain text, without its pictures and tables."""
    try:
        body = html.fragment_fromstring(body_html, create_parent="div")
    except (LxmlError, ValueError):
        return ""
    for element in list(body.iter(*_NO_PROSE)):
        element.drop_tree()
    for element in body.iter(*_APART):
        element.tail = " " + (element.tail or "")
    return " ".join(body.text_content().split())


def opening(text: str, limit: int) -> str:
    """The first words of a text, at most `limit` characters, with an ellipsis where it was cut."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    # Chinese, Japanese and Thai set no spaces between words: there any character may be the last.
    if not text[limit - 1].isspace() and " " in cut[limit // 3 :]:
        cut = cut[: cut.rindex(" ")]
    return cut.rstrip(" ,;:–—-") + "…"
