"""What a file of the feeds folder is served with: its type, who may keep it and for how long."""

from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote

Header = tuple[bytes, bytes]

_FEEDS = {
    "rss.xml": "application/rss+xml; charset=utf-8",
    "atom.xml": "application/atom+xml; charset=utf-8",
    "feed.json": "application/feed+json",
}
_LISTS = {"feeds.opml": "text/x-opml; charset=utf-8"}
# Not `mimetypes`: it reads the machine's own list, and two nodes would answer differently.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".opml": "text/x-opml; charset=utf-8",
    ".json": "application/json",
    ".gz": "application/gzip",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
# Nothing on a page ever runs, and nothing comes from elsewhere but what the operator allows.
_PAGE_POLICY = (
    "default-src 'none'; img-src 'self' data:{media}; media-src 'self'{media}; "
    "style-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_IN_ADDRESSES = "!#$%&'()*+,/:;=?@[]~"  # RFC 3986, 2.2, and what is encoded already

SHORTLY = (b"cache-control", b"public, max-age=600")
"""For ten minutes, as the `ttl` in RSS says."""
TO_ALL = (b"access-control-allow-origin", b"*")
"""Scripts on other sites may read it."""
METHODS = (b"allow", b"GET, HEAD, OPTIONS")
TO_SCRIPTS: list[Header] = [
    TO_ALL,
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"If-None-Match, If-Modified-Since, Cache-Control"),
    (b"access-control-max-age", b"86400"),
]
"""What a script's browser asks beforehand, since validators are not among what all may send."""


class Headers:
    """Knows the site: its feeds name themselves and their hubs, its pages what they may load."""

    def __init__(self, url: str, hubs: Sequence[str] = (), media_from: Sequence[str] = ()) -> None:
        """`url`: of the folder, with a slash at its end. `media_from`: see `create_app`."""
        self._url = url
        self._hubs = "".join(f', <{_ascii(hub)}>; rel="hub"' for hub in hubs)
        media = "".join(f" {each}" for each in media_from)
        self._page_policy = _PAGE_POLICY.format(media=media).encode("ascii")

    def of(self, path: PurePath) -> list[Header]:
        """All that depends on the name alone; `path` is relative to the folder."""
        name = path.name
        content_type = (_FEEDS | _LISTS).get(name) or _TYPES.get(
            path.suffix, "application/octet-stream"
        )
        headers = [
            (b"content-type", content_type.encode()),
            (b"vary", b"Accept-Encoding"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if content_type.startswith(("text/html", "image/svg")):
            # Asked for again each time: a 304 costs little, and breaking news shows at once.
            headers += [
                (b"cache-control", b"no-cache"),
                (b"content-security-policy", self._page_policy),
            ]
        else:
            headers += [SHORTLY]
        if is_open(name):
            headers += [TO_ALL, (b"access-control-expose-headers", b"ETag, Link")]
        if name in _FEEDS:
            own = _ascii(self._url) + "/".join(quote(part, safe="") for part in path.parts)
            headers += [(b"link", f'<{own}>; rel="self"{self._hubs}'.encode("ascii"))]
        return headers


def is_open(name: str) -> bool:
    """Whether a file of this name is for scripts on other sites, too."""
    return name in _FEEDS or name in _LISTS


def _ascii(url: str) -> str:
    """Whatever stands in it, it cannot end the address or the header."""
    return quote(url, safe=_IN_ADDRESSES)
