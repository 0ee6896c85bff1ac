"""Paragraphs for posts of the classic editor, which marks them by empty lines alone."""

import re
from collections import Counter

from publisher.sources.wordpress.markup import TAG

_BLOCKS = {
    "address", "article", "aside", "blockquote", "caption", "center", "col", "colgroup", "dd",
    "details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2",
    "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "legend", "li", "main", "nav",
    "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "ul",
}  # fmt: skip
_WITHOUT_END = {"hr", "col"}
_OF_PARAGRAPHS = {"", "blockquote", "article", "section"}
_OF_LINES = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "summary", "caption", "legend"}
_OF_NO_TEXT = {"table", "tbody", "thead", "tfoot", "tr", "colgroup", "ul", "ol", "dl"}
_AS_WRITTEN = {
    "audio", "math", "object", "picture", "pre", "script", "select", "style", "svg", "textarea",
    "video",
}  # fmt: skip
_SHOWN = {"audio", "embed", "iframe", "img", "object", "picture", "video"}

# Stand for tags while their text is looked at: no text holds these characters.
_BREAK = "\x02"
_PLACE = re.compile("\x01(\\d+)\x01")
_TWO_BREAKS = re.compile(r"\x02\s*\x02[\s\x02]*")
_LINE_AFTER_BREAK = re.compile(r"[ \t]*\x02[ \t]*\n?[ \t]*")
_EMPTY_LINES = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"[ \t]*\n[ \t]*")


def paragraphs(html: str) -> str:
    """`html` with `<p>` where empty lines part it, and `<br>` where single lines end.

    What stands in blocks of their own already, in tables, lists and `<pre>`, stays.
    """
    return _Writer().written(html)


class _Writer:
    def __init__(self) -> None:
        self._out: list[str] = []
        self._open: list[str] = []
        """Blocks around here, the innermost last."""
        self._count: Counter[str] = Counter()
        """How many of each are in `_open`."""
        self._run: list[str] = []
        """Text and tags within a line, not yet written."""
        self._tags: list[str] = []
        """Those that stand in `_run` by their place in this list."""
        self._shows = False
        """Whether something in `_run` is to be seen though it is no text."""

    def written(self, html: str) -> str:
        at = 0
        verbatim = ""
        depth = 0
        for tag in TAG.finditer(html):
            name, closes = tag["name"].lower(), bool(tag["close"])
            if verbatim:
                if name == verbatim:
                    depth += -1 if closes else 1
                if depth == 0:
                    self._keep(html[at : tag.end()], block=verbatim == "pre")
                    at, verbatim = tag.end(), ""
                continue
            self._run.append(html[at : tag.start()])
            at = tag.end()
            if name in _AS_WRITTEN and not closes and not tag["rest"].endswith("/"):
                at, verbatim, depth = tag.start(), name, 1
            elif name == "br":
                self._run.append(_BREAK)
            elif name in _BLOCKS:
                self._block(name, closes, tag[0])
            else:
                self._inline(tag[0], shown=name in _SHOWN)
        self._run.append(html[at:])
        self._flush()
        return "".join(self._out).strip()

    def _keep(self, html: str, *, block: bool) -> None:
        if block:
            self._begin_block()
            self._out.append(html + "\n")
        else:
            self._inline(html, shown=True)

    def _inline(self, tag: str, *, shown: bool) -> None:
        self._run.append(f"\x01{len(self._tags)}\x01")
        self._tags.append(tag)
        self._shows |= shown

    def _block(self, name: str, closes: bool, tag: str) -> None:
        if not closes:
            self._begin_block()
            self._out.append(tag)
            if name in _WITHOUT_END:
                self._out.append("\n")
            else:
                self._open.append(name)
                self._count[name] += 1
            return
        self._flush()
        if self._count[name]:
            while self._leave() != name:
                pass
            self._out.append(tag + "\n")
        elif name != "p":  # a paragraph may have been ended by a block within it
            self._out.append(tag)

    def _leave(self) -> str:
        name = self._open.pop()
        self._count[name] -= 1
        return name

    def _begin_block(self) -> None:
        """Write what came before a block; a paragraph ends where one begins (HTML, 4.4.1)."""
        self._flush()
        if self._open and self._open[-1] == "p":
            self._leave()
            if TAG.fullmatch(self._out[-1]):
                self._out.pop()
            else:
                self._out.append("</p>\n")

    def _flush(self) -> None:
        text, shows = "".join(self._run), self._shows
        tags, around = self._tags, self._open[-1] if self._open else ""
        self._run, self._tags, self._shows = [], [], False
        if not shows and not _PLACE.sub("", text).replace(_BREAK, "").strip():
            if tags:
                self._out.append(_restored(text.strip(), tags))
            return
        if around in _OF_NO_TEXT:
            self._out.append(_restored(text, tags))
            return
        text = _TWO_BREAKS.sub("\n\n", text)
        text = _LINE_AFTER_BREAK.sub(_BREAK, text)
        found = [each.strip(" \t\n" + _BREAK) for each in _EMPTY_LINES.split(text)]
        parts = [_restored(_LINE.sub("<br>\n", each), tags) for each in found if each]
        if around in _OF_LINES:
            between = "</p>\n<p>" if around == "p" else "<br><br>\n"
            self._out.append(between.join(parts))
        elif around in _OF_PARAGRAPHS or len(parts) > 1:
            self._out.extend(f"<p>{each}</p>\n" for each in parts)
        else:
            self._out.extend(parts)


def _restored(text: str, tags: list[str]) -> str:
    return _PLACE.sub(lambda match: tags[int(match[1])], text.replace(_BREAK, "<br>\n"))
