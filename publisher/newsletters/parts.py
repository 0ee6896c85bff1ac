"""A mail's two parts, text and HTML, as the MIME body that they make."""

import hashlib
import re

import css_inline

from publisher.core import splice
from publisher.errors import PermanentError

_BLANK_LINES = re.compile(r"\n{3,}")
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inlined(page: str, template: str) -> str:
    """The page with its styles on its elements, as mail programs want them.

    Raises PermanentError, naming the template, for styles that cannot be read.
    """
    try:
        return _INLINER.inline(page)
    except ValueError as error:
        raise PermanentError(f"{template}: {error}") from error


def body(text: str, page: str) -> tuple[bytes, str]:
    """The body of both parts, and the boundary between them; the same at every making."""
    parts = (
        splice.encode(_BLANK_LINES.sub("\n\n", text).lstrip("\n")),
        splice.encode(page, escape=True),
    )
    # `=_` never comes out of quoted-printable (RFC 2045 6.7), so no part can hold the boundary.
    boundary = "=_" + hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
    return _alternatives(boundary, *parts), boundary


def _alternatives(boundary: str, text: bytes, html: bytes) -> bytes:
    mark = b"--" + boundary.encode("ascii")
    out = b""
    for subtype, part in ((b"plain", text), (b"html", html)):
        out += (
            mark + b"\r\nContent-Type: text/" + subtype + b"; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + part + b"\r\n"
        )
    return out + mark + b"--\r\n"
