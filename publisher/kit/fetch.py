"""Asks other servers over HTTP, bounding how long they may take and how much they may say."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from publisher.errors import TransientError

_AGENT = "publisher (feeds and newsletters)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: httpx2.Headers
    """By name in any case."""
    body: bytes
    """As sent: still compressed where `Content-Encoding` says so."""


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    seconds: float = 20,
    most_bytes: int = 16 * 1024 * 1024,
) -> Answer:
    """What the server at `url` answers; a redirection is an answer too and is not followed.

    For addresses that an operator gave: nothing keeps it from those of an inner network. Raises
    TransientError, with the host and the reason, when no whole answer comes in time.
    """
    asked = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **(headers or {})}
    end = time.monotonic() + seconds
    body = bytearray()
    try:
        with (
            # No proxy and no netrc of the environment: who is asked is what the address says.
            httpx2.Client(timeout=seconds, trust_env=False) as client,
            client.stream(method, url, headers=asked, content=content) as response,
        ):
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > most_bytes:
                    raise TransientError(f"{_host(url)} sends more than {most_bytes:,} bytes")
                if time.monotonic() > end:
                    raise TransientError(f"{_host(url)} takes longer than {seconds:g} s")
            return Answer(status=response.status_code, headers=response.headers, body=bytes(body))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise TransientError(f"{_host(url)} cannot be asked: {reason}") from error


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url
