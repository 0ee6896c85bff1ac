"""What comes in by POST: bodies of limited size, their fields, and whose page sent them."""

from collections.abc import AsyncGenerator, Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from publisher.core.model import Site

Fields = Mapping[str, list[str]]
"""The values of each field, by its name in small letters."""

_MOST_FIELDS = 1000
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def read_body(request: Request, most: int) -> bytes | None:
    """What was sent; None when it is more than so many bytes, of which no more are read.

    Raises ClientDisconnect when the other side ends in the middle of it.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return body


async def read_fields(request: Request, body: bytes) -> Fields:
    """The fields of a form, sent in either of the two ways; none of what cannot be read."""
    found: dict[str, list[str]] = {}
    for name, value in await _pairs(request, body):
        # A form may claim a charset in which lone surrogates can be written.
        written = value.encode("utf-8", "replace").decode()
        found.setdefault(name.lower(), []).append(written)
    return found


async def _pairs(request: Request, body: bytes) -> list[tuple[str, str]]:
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):

        async def once() -> AsyncGenerator[bytes, None]:
            yield body

        parser = MultiPartParser(request.headers, once(), max_fields=_MOST_FIELDS, max_files=0)
        try:
            form = await parser.parse()
        except MultiPartException:
            return []
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    try:
        return parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return []


def first(fields: Fields, name: str) -> str:
    """The first value of a field; empty where it was not sent."""
    return fields.get(name, [""])[0]


def client_of(request: Request) -> str:
    """The address that the request came from; of one by a trusted proxy, whom that names."""
    return request.client.host if request.client else ""


def is_from_elsewhere(request: Request, site: Site) -> bool:
    """Whether the browser says that a page of another site sent this.

    What a link in a mail leads to is guarded by its token, which no other site knows; this is the
    second lock. So a client that says nothing, as old browsers do, is let in.
    """
    fetched_from = request.headers.get("sec-fetch-site")
    if fetched_from is not None:
        return fetched_from not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin != origin_of(site.url)


def origin_of(url: str) -> str:
    """Scheme, host and port of a checked address, as browsers write them."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
