"""Pictures and players in WordPress posts: lazy ones shown, embedded ones made links."""

import re
from dataclasses import dataclass, field
from html import escape

from publisher.sources.wordpress.markup import TAG, attributes, file_name, is_web, link

_TRUE_SOURCE = (
    "data-lazy-src", "data-src", "data-original", "data-lazy", "data-ll-src", "data-orig-src",
    "data-hi-res-src", "data-echo",
)  # fmt: skip
_TRUE_SET = ("data-lazy-srcset", "data-srcset", "data-ll-srcset", "data-original-set")
_IMAGES = {"img", "amp-img"}
_SIDE = re.compile(r"\balign(left|right)\b")
_SMILEY = {"emoji", "wp-smiley"}  # pictures that stand for the characters in their `alt`
_SOURCES = {"source", "video", "audio"}
_FRAMES = {"iframe": "src", "amp-iframe": "src", "frame": "src", "embed": "src", "object": "data"}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
_STAYS = ("title", "width", "height", "poster", "type", "media", "controls")

_LINE = re.compile(
    r"""^(?P<before>[ \t]*(?:<(?:p|div|figure|li|td|blockquote)(?:\s[^<>]*)?>)*[ \t]*)
        (?P<address>https?://[^\s<>"']+)
        (?=[ \t]*(?:$|<br|</(?:p|div|figure|li|td|blockquote)>))""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_LINK_AFTER_LINK = re.compile(r"</a>(?=<a\s)")
_EMPTY = re.compile(
    r"<(p|div|ul|ol|dl|dt|figure|figcaption|span)(?:\s[^<>]*)?>(?:\s|&nbsp;)*+</\1>", re.IGNORECASE
)
_ROUNDS = 6  # of taking out what holds nothing but what was empty


def lines_as_links(html: str) -> str:
    """An address alone on its line is one that WordPress embeds."""
    return _LINE.sub(lambda line: line["before"] + _html_link(line["address"]), html)


def shown(html: str) -> str:
    """`html` with its pictures as plain images, and frames and plug-ins as links."""
    html = _LINK_AFTER_LINK.sub("</a> ", _Reader().read(html))
    for _ in range(_ROUNDS):
        html, count = _EMPTY.subn("", html)
        if not count:
            break
    return html


@dataclass(slots=True)
class _Reader:
    images: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    figures: int = 0
    """How many are open around here."""
    unscripted: bool = False
    """Within `<noscript>`, where the twin of a lazy image or frame stands."""
    played: str = ""
    """Address of the sound or film around here."""

    def read(self, html: str) -> str:
        out: list[str] = []
        at = 0
        for tag in TAG.finditer(html):
            name, closes = tag["name"].lower(), bool(tag["close"])
            out.append(html[at : tag.start()])
            at = tag.end()
            if name == "noscript":
                self.unscripted = not closes
            elif name in _IMAGES:
                out.append("" if closes else self._image(attributes(tag["rest"]), tag[0]))
            elif name in _SOURCES:
                out.append(self._player(name, closes, attributes(tag["rest"]), tag[0]))
            elif name in _FRAMES:
                out.append("" if closes else self._frame(name, attributes(tag["rest"])))
            elif name == "param":
                out.append(self._parameter(attributes(tag["rest"])))
            elif name != "button":  # its words stay
                self.figures += (-1 if closes else 1) if name == "figure" else 0
                out.append(tag[0])
        out.append(html[at:])
        return "".join(out)

    def _image(self, given: dict[str, str], tag: str) -> str:
        if _SMILEY & set(given.get("class", "").split()):
            return escape(given.get("alt", ""), quote=False)
        true, true_set = _first(given, _TRUE_SOURCE), _first(given, _TRUE_SET)
        source = true or _unless_placeholder(given.get("src", ""))
        source = source or true_set.split(",")[0].split(" ")[0]
        lazy = bool(true or true_set)
        name = source.split("?")[0]
        if not source or ((lazy or self.unscripted) and name in self.images):
            return ""
        if lazy or self.unscripted:
            self.images.add(name)
        if lazy:
            tag = _written("img", given, src=source, srcset=true_set or given.get("srcset", ""))
        # The text flows around it; a figure stands for itself.
        side = None if self.figures else _SIDE.search(given.get("class", ""))
        return f'<img align="{side[1]}"{tag[4:]}' if side and tag[:4].lower() == "<img" else tag

    def _player(self, name: str, closes: bool, given: dict[str, str], tag: str) -> str:
        """A player holds a link to what it plays, for readers without one."""
        if closes:
            address, self.played = self.played, ""
            return (self._link(address, file_name(address)) if address else "") + tag
        if name != "source":
            self.played = ""
        self.played = self.played or _first(given, (*_TRUE_SOURCE, "src"))
        return _with_source(name, given, tag)

    def _frame(self, name: str, given: dict[str, str]) -> str:
        tiny = {given.get("width"), given.get("height")} & {"0", "1", "0px", "1px"}
        if tiny or _HIDDEN.search(given.get("style", "")):
            return ""  # it counts visits
        source = _first(given, _TRUE_SOURCE) or given.get(_FRAMES[name], "")
        return self._link(source, given.get("title", ""))

    def _parameter(self, given: dict[str, str]) -> str:
        named = given.get("name", "").lower() in ("movie", "src")
        return self._link(given.get("value", "")) if named else ""

    def _link(self, address: str, words: str = "") -> str:
        address = re.sub(r"\s+", "%20", address)
        if address in self.links or not (is_web(address) or address.startswith("/")):
            return ""
        self.links.add(address)
        return link(address, words)


def _with_source(name: str, given: dict[str, str], tag: str) -> str:
    true, true_set = _first(given, _TRUE_SOURCE), _first(given, _TRUE_SET)
    if not true and not true_set:
        return tag
    source, srcset = true or given.get("src", ""), true_set or given.get("srcset", "")
    return _written(name, given, src=source, srcset=srcset)


def _written(name: str, given: dict[str, str], *, src: str, srcset: str) -> str:
    kept = {each: given[each] for each in _STAYS if each in given}
    if srcset and "data:" not in srcset:
        kept |= {"srcset": srcset, "sizes": given.get("sizes", "")}
    pairs = [f'{key}="{escape(value)}"' for key, value in {"src": src, **kept}.items() if value]
    if name == "img":
        pairs.append(f'alt="{escape(given.get("alt", ""))}"')
    return f"<{' '.join((name, *pairs))}>"


def _first(given: dict[str, str], names: tuple[str, ...]) -> str:
    return next((each for name in names if (each := _unless_placeholder(given.get(name, "")))), "")


def _unless_placeholder(address: str) -> str:
    return "" if address.startswith(("data:", "about:", "#", "javascript:")) else address


def _html_link(address: str) -> str:
    """As `link`, of an address that is HTML already."""
    return f'<a href="{address}">{address}</a>'
