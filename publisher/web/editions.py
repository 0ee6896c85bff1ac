"""Editions of newsletters, to be read in the browser by whoever has the address."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from publisher.errors import NotFoundError
from publisher.web.pages import Pages

_MAX_AGE = 600  # seconds: after that, nobody sees an article any more that was withdrawn


class EditionShelf(Protocol):
    """What this page needs; called off the event loop, from several threads."""

    def page(self, name: str) -> str | None:
        """The HTML without anything of a reader's; None when it can be read no longer.

        Raises NotFoundError for what never was there.
        """


class Editions:
    """The endpoint `/editions/{name}`."""

    def __init__(self, pages: Pages, shelf: EditionShelf, media_from: Sequence[str]) -> None:
        self._pages = pages
        self._shelf = shelf
        media = "".join(f" {source}" for source in media_from)
        self._headers = {
            "Cache-Control": f"public, max-age={_MAX_AGE}",
            # Mails have their styles on their elements, which no hash can allow.
            "Content-Security-Policy": (
                f"default-src 'none'; img-src 'self' data:{media}; style-src 'unsafe-inline'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def answer(self, request: Request) -> Response:
        try:
            html = await asyncio.to_thread(self._shelf.page, request.path_params["name"])
        except NotFoundError as error:
            raise HTTPException(404) from error
        if html is None:
            return self._pages.message(
                410,
                "This edition can be read no longer",
                "Editions are kept for some time only. Their articles stand on the site.",
            )
        return HTMLResponse(html, headers=self._headers)
