"""Asks other servers over HTTP, bounding how long they may take and how much they may say."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache

import httpx2

from publisher.errors import TransientError

_AGENT = "publisher (feeds and newsletters)"
_GLANCE = 0.1  # seconds between two looks whether to stop


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
    stopping: Callable[[], bool] = lambda: False,
) -> Answer:
    """What the server at `url` answers; a redirection is an answer too and is not followed.

    For addresses that an operator gave: nothing keeps it from those of an inner network. To be
    called where no event loop runs. Raises TransientError, with the host and the reason, when no
    whole answer comes in time, or soon after `stopping` says yes.
    """
    asked = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **(headers or {})}
    try:
        request = httpx2.Request(method, url, headers=asked, content=content)
        return asyncio.run(_in_time(request, seconds, most_bytes, stopping))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise TransientError(f"{_host(url)} cannot be asked: {reason}") from error


async def _in_time(
    request: httpx2.Request, seconds: float, most_bytes: int, stopping: Callable[[], bool]
) -> Answer:
    """One limit for all: a server that sends an octet now and then meets every other one."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    asking = asyncio.create_task(_ask(request, most_bytes))
    while not asking.done():
        left = end - loop.time()
        if left <= 0:
            raise TransientError(f"{_host(str(request.url))} takes longer than {seconds:g} s")
        if stopping():
            raise TransientError(f"{_host(str(request.url))} is not waited for any more")
        await asyncio.wait([asking], timeout=min(left, _GLANCE))
    return asking.result()


async def _ask(request: httpx2.Request, most_bytes: int) -> Answer:
    # No proxy and no netrc of the environment: who is asked is what the address says.
    async with (
        httpx2.AsyncClient(timeout=None, trust_env=False, verify=_trusted()) as client,
        aclosing(await client.send(request, stream=True)) as response,
    ):
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most_bytes:
                raise TransientError(
                    f"{_host(str(request.url))} sends more than {most_bytes:,} bytes"
                )
        return Answer(status=response.status_code, headers=response.headers, body=bytes(body))


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates hold; reading them takes 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)


def _host(url: str) -> str:
    """Where it leads, without user and password; also of what is no address."""
    place = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    return place.rpartition("@")[2] or url
