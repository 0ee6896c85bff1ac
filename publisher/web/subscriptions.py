"""Leaving a newsletter by its link in a mail: looking changes nothing, a POST does (RFC 8058)."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.core.model import Site
from publisher.core.tokens import BadTokenError, Purpose, read
from publisher.web.forms import Fields, first, is_from_elsewhere, read_body, read_fields
from publisher.web.pages import Pages

_MOST_BYTES = 10 * 1024

log = structlog.get_logger(__name__)


class Unsubscriber(Protocol):
    """What this page needs of the store; called off the event loop, from several threads."""

    def subscription_title(self, subscription_id: int) -> str | None:
        """The newsletter's title; None when there is no such subscription (any more)."""

    def unsubscribe(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        """Ends it; False when it had ended before or is not there. `by` is for the record."""


class Subscriptions:
    """The endpoint `/unsubscribe/{token}`."""

    def __init__(
        self,
        site: Site,
        pages: Pages,
        store: Unsubscriber,
        keys: Mapping[str, bytes],
        clock: Callable[[], datetime],
    ) -> None:
        self._site = site
        self._pages = pages
        self._store = store
        self._keys = keys
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        subscription = self._subscription(request)
        if subscription is None:
            return self._pages.render("unsubscribe_bad_link.html", 400)
        if request.method == "POST":
            return await self._leave(request, subscription)
        return await self._ask(subscription)

    async def _ask(self, subscription: int) -> Response:
        """For GET and HEAD: mail scanners follow every link, so nothing changes here."""
        title = await asyncio.to_thread(self._store.subscription_title, subscription)
        if title is None:
            return self._pages.message(
                404,
                "There is nothing to unsubscribe",
                "This subscription no longer exists, and no mail goes out for it.",
            )
        return self._pages.render("unsubscribe.html", title=title)

    async def _leave(self, request: Request, subscription: int) -> Response:
        """For a POST from a mail program's own button or from ours; again is the same as once."""
        try:
            body = await read_body(request, _MOST_BYTES)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return self._pages.message(413, "That was too much", "Nothing has been changed.")
        by = _meant(await read_fields(request, body))
        if by != "one-click" and is_from_elsewhere(request, self._site):
            return self._pages.message(
                403, "Please open the link in your mail", "Nothing has been changed."
            )
        title = await asyncio.to_thread(self._store.subscription_title, subscription)
        if by is None:
            return self._pages.render("unsubscribe.html", 400, title=title or "")
        changed = await asyncio.to_thread(
            self._store.unsubscribe, subscription, by=by, at=self._clock()
        )
        if changed:
            log.info("unsubscribed", subscription=subscription, by=by)
        return self._pages.render("unsubscribe_done.html", title=title or "")

    def _subscription(self, request: Request) -> int | None:
        try:
            payload = read(Purpose.UNSUBSCRIBE, request.path_params["token"], self._keys)
        except BadTokenError:
            return None
        match payload:
            case [int(subscription_id)]:
                return subscription_id
            case _:
                return None


def _meant(fields: Fields) -> str | None:
    """Who asks to unsubscribe; None when the request does not say that it wants to."""
    if first(fields, "list-unsubscribe").strip().lower() == "one-click":
        return "one-click"
    return "page" if "confirm" in fields else None
