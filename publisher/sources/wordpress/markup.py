"""What the steps that make WordPress's posts readable share: tags taken apart, links, figures."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from urllib.parse import unquote, urlsplit

from publisher.core.model import Image

# Quotes count after `=` alone, as to a browser: `<img alt="5" tall">` ends at its `>`.
TAG = re.compile(
    r"""<(?P<close>/?)(?P<name>[a-zA-Z][\w:-]*)(?P<rest>(?:=\s*"[^"]*"|=\s*'[^']*'|[^<>])*+)>"""
)
ATTRIBUTE = re.compile(
    r"""(?P<name>[\w:-]+)\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'<>]+))"""
)
WEB = re.compile(r"""(?:https?:)?//[^\s<>"']+""", re.IGNORECASE)
"""An address of the web; without scheme where it goes on with the page's own."""

_STYLED = re.compile(
    r"</?(?:a|abbr|b|bdi|big|cite|code|del|em|font|i|ins|mark|q|s|small|span|strike|strong|sub|sup"
    r"|tt|u|wbr)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"<br\s*/?>", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|\w{1,40});")


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What the export knows beside the post's own text."""

    image: Callable[[int], Image | None]
    """The attachment of this id."""
    attached: Callable[[], list[Image]]
    """All that were uploaded to the post."""
    block: Callable[[int], str]
    """The HTML of the reusable block of this id, "" if it is not there."""


def attributes(text: str) -> dict[str, str]:
    """Those of a tag or shortcode, by name in small letters, as they read."""
    found: dict[str, str] = {}
    for each in ATTRIBUTE.finditer(text):
        value = each["double"] or each["single"] or each["bare"] or ""
        found.setdefault(each["name"].lower(), unescape(value).strip())
    return found


def is_web(address: str) -> bool:
    return bool(WEB.fullmatch(address))


def link(address: str, words: str = "") -> str:
    """A link that shows its address, or `words` (plain text) where there are some."""
    shown = words or (f"https:{address}" if address.startswith("//") else address)
    return f'<a href="{escape(address)}">{escape(shown, quote=False)}</a>'


def file_name(address: str) -> str:
    """What the file at an address is called, to name a link to it."""
    try:
        return unquote(urlsplit(address).path.rpartition("/")[2]) or address
    except ValueError:
        return address


def figure(image: Image) -> str:
    caption = f"<figcaption>{escape(image.caption, quote=False)}</figcaption>"
    return (
        f'<figure><img src="{escape(image.url)}" alt="{escape(image.alt)}">'
        f"{caption if image.caption else ''}</figure>"
    )


def gallery(images: Sequence[Image]) -> str:
    """Several pictures as one figure, as the block editor writes them."""
    figures = "\n".join(map(figure, images))
    return f"<figure>\n{figures}\n</figure>" if len(images) > 1 else figures


def words(name: str) -> str:
    """A title or name as it is read: WordPress lets them hold a little HTML.

    What looks like other HTML is taken for text that was meant to be seen.
    """
    text = _BROKEN.sub(" ", _STYLED.sub("", name))
    return _REFERENCE.sub(lambda found: unescape(found[0]), text).strip()
