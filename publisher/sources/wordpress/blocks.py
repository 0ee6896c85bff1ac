"""The block editor's comments (`<!-- wp:… -->`) as what they stand for."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from publisher.core.model import Image
from publisher.sources.wordpress.markup import Media, figure, is_web, link

_BLOCK = re.compile(
    r"<!--\s+(?P<close>/?)wp:(?P<name>[a-z][a-z0-9/_-]*)\s+(?P<rest>.*?)(?P<empty>/?)-->", re.DOTALL
)
_BREAK = re.compile(r"<!--\s*(?:more\b|nextpage)")
_NEVER_CLOSED = re.compile(r"<!--[^\n]*")
_SHOWN = re.compile(r"<(?:img|video)\b")
_VERSE = re.compile(
    r"<pre\s[^<>]*\bwp-block-verse\b[^<>]*>([^<]*(?:<(?!/?pre\b)[^<]*)*)</pre>", re.IGNORECASE
)
_STANZAS = re.compile(r"\n[ \t]*\n\s*?(?=[ \t]*\S)")
_LINE_END = re.compile(r"(?:<br\s*/?>)?\n")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_MOST_INSERTED = 100  # reusable blocks in one post: each may hold many
_COVER = 20_000  # characters within which a cover's picture is looked for


def has_blocks(html: str) -> bool:
    """Whether the block editor wrote it: then its paragraphs are marked already."""
    return "<!-- wp:" in html


def verses(html: str) -> str:
    """`html` with poems as paragraphs: in `<pre>` only the editor's style tells them from code."""
    return _VERSE.sub(
        lambda poem: "\n".join(map(_stanza, _STANZAS.split(poem[1].strip("\n")))), html
    )


def _stanza(lines: str) -> str:
    indented = _INDENT.sub(lambda space: "&nbsp;" * len(space[0]), lines.rstrip())
    return f"<p>{_LINE_END.sub('<br>', indented)}</p>"


def without_comments(html: str, media: Media) -> str:
    """`html` without any comment, and with the content that some of them stand for.

    A block that WordPress fills when it is shown is left out, or a link where it names an address.
    """
    return _Reader(media).read(html)


@dataclass(slots=True)
class _Reader:
    media: Media
    within: list[int] = field(default_factory=list)
    """Reusable blocks around here."""
    inserted: int = 0

    def read(self, html: str) -> str:
        out: list[str] = []
        at = 0
        while (start := html.find("<!--", at)) >= 0:
            out.append(html[at:start])
            end = html.find("-->", start + 2)  # `<!-->` is a whole comment (HTML, 13.2.5.43)
            if end < 0:
                # Never closed, it would hide all that follows.
                return "".join(out) + _NEVER_CLOSED.sub("", html[start:])
            at = end + 3
            out.append(self._stands_for(html[start:at], html[at : at + _COVER]))
            if html.startswith("\n", at):
                at += 1  # the comment had the line for itself
        out.append(html[at:])
        return "".join(out)

    def _stands_for(self, comment: str, after: str) -> str:
        block = _BLOCK.fullmatch(comment)
        if block is None:
            return "\n\n" if _BREAK.match(comment) else ""
        if block["close"]:
            return ""
        said = _said(block["rest"])
        if not block["empty"]:
            inside = after.partition("<!-- /wp:cover")[0]
            return _background(said, inside) if block["name"] == "cover" else ""
        if block["name"] == "block":
            return self._reused(said.get("ref"))
        return _linked(block["name"], said)

    def _reused(self, number: object) -> str:
        if not isinstance(number, int) or number in self.within or self.inserted == _MOST_INSERTED:
            return ""
        self.inserted += 1
        self.within.append(number)
        html = self.read(self.media.block(number))
        self.within.pop()
        return html


def _background(said: Mapping[str, object], inside: str) -> str:
    """The picture behind a text, where a style alone shows it."""
    address = said.get("url")
    if not isinstance(address, str) or not is_web(address) or said.get("backgroundType") == "video":
        return ""
    return "" if _SHOWN.search(inside) else figure(Image(url=address, alt=str(said.get("alt", ""))))


def _linked(name: str, said: Mapping[str, object]) -> str:
    addresses = (said.get(each) for each in ("url", "href", "src", "link", "feedURL"))
    address = next((each for each in addresses if isinstance(each, str) and is_web(each)), "")
    if not address:
        return ""
    words = next((str(said[each]) for each in ("label", "title", "service") if said.get(each)), "")
    tag = "li" if name == "social-link" else "p"
    return f"<{tag}>{link(address, words)}</{tag}>"


def _said(rest: str) -> Mapping[str, object]:
    try:
        said: object = json.loads(rest)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
