"""WordPress's shortcodes as HTML: `[caption]`, `[gallery]` and the like, and what no one knows.

Of an unknown one the content stays and the brackets go; text in brackets that is none, stays.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape

from publisher.core.model import Image
from publisher.sources.wordpress.markup import (
    ATTRIBUTE,
    TAG,
    WEB,
    Media,
    attributes,
    file_name,
    gallery,
    is_web,
    link,
)

_BRACKET = re.compile(r"[<\[]")
_SHORTCODE = re.compile(
    r"""\[(?P<first>\[?)(?P<close>/?)(?P<name>[A-Za-z][\w-]{0,60}+)
        (?P<rest>(?:[\s=/](?:[^\[\]"']|"[^"]*"|'[^']*')*+)?)
        \](?P<last>\]?)""",
    re.VERBOSE,
)
_PICTURE = re.compile(r"\s*((?:<a\s[^<>]*>\s*)?<img\s[^<>]*>(?:\s*</a>)?)(.*)", re.DOTALL)
_CAPTION = re.compile(r"""\bcaption=(?:"([^"]*)"|'([^']*)')""")
_IMAGE_FILE = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|bmp|svg)(?:\?|$)", re.IGNORECASE)
_SOUND_FILE = re.compile(r"\.(?:mp3|m4a|ogg|oga|wav|flac|aac)(?:\?|$)", re.IGNORECASE)
_FILM_FILE = re.compile(r"\.(?:mp4|m4v|webm|ogv|mov|wmv|flv)(?:\?|$)", re.IGNORECASE)

_ITS_OWN_END = re.compile(r"""(?:^|[\s"'])/\Z""")
_NUMBER = re.compile(r"\d{1,18}")

_CAPTIONS = {"caption", "wp_caption"}
_PLAYERS = {"audio", "video"}
_CODE = {"code", "sourcecode"}
_OURS = _CAPTIONS | _PLAYERS | _CODE | {"embed", "gallery", "playlist"}
_EMBEDS = _PLAYERS | {
    "dailymotion", "embed", "facebook", "flickr", "gist", "googlemaps", "instagram", "pinterest",
    "scribd", "slideshare", "soundcloud", "spotify", "ted", "tiktok", "tweet", "twitter", "vimeo",
    "vine", "wpvideo", "youtube",
}  # fmt: skip
_AS_WRITTEN = {"code", "pre", "script", "style", "textarea"}


@dataclass(slots=True)
class _Mark:
    """A shortcode's beginning or end."""

    start: int
    end: int
    name: str
    rest: str
    closes: bool
    quoted: tuple[bool, bool]
    """Whether a second bracket stands before and behind it: `[[gallery]]` means `[gallery]`."""
    in_code: bool
    in_word: bool
    """Whether it follows a letter at once, as the index of a list does."""
    partner: int | None = None


def shortcodes(html: str, media: Media) -> str:
    if "[" not in html:
        return html
    marks = list(_marks(html))
    waiting: dict[str, list[int]] = defaultdict(list)
    for at, mark in enumerate(marks):
        if mark.in_code:
            continue
        if not mark.closes:
            waiting[mark.name].append(at)
        elif waiting[mark.name]:
            mark.partner = waiting[mark.name].pop()
            marks[mark.partner].partner = at
    return _Reader(html, marks, media).read(0, len(html), range(len(marks)))


def _marks(html: str) -> Iterator[_Mark]:
    at, within, depth = 0, "", 0
    while bracket := _BRACKET.search(html, at):
        at = bracket.end()
        if bracket[0] == "<":
            # A bracket within a tag, like `?a[b]=1` in an address, is no shortcode's.
            if tag := TAG.match(html, bracket.start()):
                at, name = tag.end(), tag["name"].lower()
                if not depth and name in _AS_WRITTEN and not tag["close"]:
                    within, depth = name, 1
                elif name == within and depth:
                    depth += -1 if tag["close"] else 1
        elif found := _SHORTCODE.match(html, bracket.start()):
            at = found.end()
            yield _Mark(
                start=found.start(),
                end=found.end(),
                name=found["name"],
                rest=found["rest"],
                closes=bool(found["close"]),
                quoted=(bool(found["first"]), bool(found["last"])),
                in_code=depth > 0,
                in_word=html[found.start() - 1 : found.start()].isalnum(),
            )


@dataclass(slots=True)
class _Reader:
    html: str
    marks: list[_Mark]
    media: Media
    within_caption: bool = False

    def read(self, start: int, end: int, marks: range) -> str:
        """The HTML from `start` to `end`, where the shortcodes of these numbers stand."""
        out: list[str] = []
        at, number = start, marks.start
        while number < marks.stop:
            mark = self.marks[number]
            out.append(self.html[at : mark.start])
            at, number = mark.end, number + 1
            paired = mark.partner is not None and marks.start <= mark.partner < marks.stop
            close = self.marks[mark.partner] if paired and mark.partner is not None else None
            if self._is_quoted(mark, close):
                before, behind = mark.quoted
                out.append(self.html[mark.start + before : mark.end - behind])
            elif mark.in_code or (mark.quoted == (True, True) and close is None):
                out.append(self.html[mark.start : mark.end])
            else:
                out.append("[" * mark.quoted[0])
                nested = self.within_caption and mark.name in _CAPTIONS
                if close and not mark.closes and mark.name in _OURS and not nested:
                    inner = range(number, mark.partner or number)
                    out.append(self._with_content(mark, close, inner))
                    at, number = close.end, inner.stop + 1
                    out.append("]" * close.quoted[1])
                else:
                    out.append(self._alone(mark) if close is None else "")
                    out.append("]" * mark.quoted[1])
        out.append(self.html[at:end])
        return "".join(out)

    def _is_quoted(self, mark: _Mark, partner: _Mark | None) -> bool:
        """Whether it is to be shown as it is, less one bracket: `[[x]]` or `[[x]…[/x]]`."""
        if mark.quoted == (True, True):
            return mark.name in _OURS or mark.closes or _is_shortcode(mark)
        if partner is None:
            return False
        opening, closing = (partner, mark) if mark.closes else (mark, partner)
        return opening.quoted == (True, False) and closing.quoted == (False, True)

    def _with_content(self, mark: _Mark, close: _Mark, inner: range) -> str:
        written = self.html[mark.end : close.start]
        if mark.name in _CODE:
            code = re.sub(r"<br\s*/?>\n?|</p>\s*<p>", "\n", written).strip("\n")
            return f"<pre><code>{escape(unescape(code), quote=False)}</code></pre>"
        if mark.name in _CAPTIONS:
            inside = _Reader(self.html, self.marks, self.media, within_caption=True)
            return _captioned(mark.rest, inside.read(mark.end, close.start, inner))
        address = unescape(written.strip())
        if is_web(address):
            return _player(mark.name, address)
        return self._alone(mark) + self.read(mark.end, close.start, inner)

    def _alone(self, mark: _Mark) -> str:
        """What stands for a shortcode without an end."""
        if mark.closes:
            return "" if mark.name in _OURS else self.html[mark.start : mark.end]
        if mark.name == "gallery" and _has_only_attributes(mark.rest):
            return gallery(self._listed(mark, _IMAGE_FILE))
        if mark.name == "playlist" and _has_only_attributes(mark.rest):
            tracks = [link(each.url, each.caption or file_name(each.url)) for each in
                      self._listed(mark, _SOUND_FILE)]  # fmt: skip
            return f"<ul><li>{'</li><li>'.join(tracks)}</li></ul>" if tracks else ""
        if mark.name in _CAPTIONS and _has_only_attributes(mark.rest):
            return _caption(mark.rest)
        if mark.name not in _EMBEDS and not _is_shortcode(mark):
            return self.html[mark.start : mark.end].removeprefix("[" * mark.quoted[0])
        if address := _address(mark.rest):
            return _player(mark.name, address)
        bare = mark.partner is None and not _is_shortcode(mark)
        return self.html[mark.start : mark.end] if bare else ""

    def _listed(self, mark: _Mark, files: re.Pattern[str]) -> list[Image]:
        given = attributes(mark.rest)
        ids = given.get("ids") or given.get("include")
        if not ids:
            listed = self.media.attached()
        else:
            found = (self.media.image(int(each)) for each in _NUMBER.findall(ids))
            listed = [each for each in found if each]
        return [each for each in listed if files.search(each.url)]


def _is_shortcode(mark: _Mark) -> bool:
    """Whether a bracket of an unknown name without an end is a shortcode rather than prose."""
    rest = mark.rest.strip()
    if rest.startswith("="):
        return bool(WEB.search(rest))
    if not rest:
        return "_" in mark.name and not mark.in_word
    return bool(_ITS_OWN_END.search(rest)) or _has_only_attributes(rest)


def _has_only_attributes(rest: str) -> bool:
    return not ATTRIBUTE.sub("", rest).strip(" \t\n/")


def _address(rest: str) -> str:
    """The web address in a shortcode's attributes, or standing there by itself."""
    given = attributes(rest)
    for each in ("src", "url", "href", "link", "file", "mp3", "mp4", *given):
        if is_web(given.get(each, "")):
            return given[each]
    bare = WEB.search(ATTRIBUTE.sub("", rest) if not rest.startswith("=") else rest)
    return unescape(bare[0]).split("|")[0] if bare else ""


def _player(name: str, address: str) -> str:
    if name == "audio" and _SOUND_FILE.search(address):
        return f'<audio src="{escape(address)}" controls></audio>'
    if name == "video" and _FILM_FILE.search(address):
        return f'<video src="{escape(address)}" controls></video>'
    return link(address)


def _captioned(rest: str, content: str) -> str:
    parted = _PICTURE.fullmatch(content)
    picture, words = (parted[1], parted[2].strip()) if parted else (content.strip(), "")
    caption = words or _caption(rest)
    return f"<figure>{picture}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def _caption(rest: str) -> str:
    """HTML, as the shortcode's content would be."""
    found = _CAPTION.search(rest)
    return (found[1] or found[2] or "").strip() if found else ""
