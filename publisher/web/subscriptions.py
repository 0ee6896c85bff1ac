"""Leaving a newsletter by its link in a mail: looking changes nothing, a POST does (RFC 8058).

Before none the page offers less mail, and after it the way back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.core.model import Cadence, Newsletter, Site, SubscriptionState
from publisher.core.preferences import Leaving, choosing_payload, consent, in_a_month
from publisher.core.tokens import BadTokenError, Purpose, read, sign
from publisher.core.wishes import Wishes
from publisher.kit.translations import gettext_noop
from publisher.web.forms import (
    Fields,
    client_of,
    first,
    is_from_elsewhere,
    read_body,
    read_fields,
)
from publisher.web.pages import Pages
from publisher.web.words import HOW_RETURNED, agreement

_MOST_BYTES = 10 * 1024
_LESS = ("weekly", "pause")

log = structlog.get_logger(__name__)


class LeavingStore(Protocol):
    """What this page needs of the store; called off the event loop, from several threads."""

    def categories(self) -> Mapping[str, str]:
        """Titles by slug, of all that there are."""

    def leaving(self, subscription_id: int) -> Leaving | None:
        """What the link finds; None where there is no such subscription (any more)."""

    def leave(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        """Ends it and says goodbye; False when it had ended before or is not there. `by` is for
        the record."""

    def choose(self, subscriber_id: int, slug: str, wishes: Wishes, at: datetime) -> bool:
        """Gives a subscription exactly these wishes; False where it has ended."""

    def pause(self, subscriber_id: int, ends: Mapping[str, datetime | None], at: datetime) -> None:
        """Pauses subscriptions, by slug, or lets them go on (None)."""

    def join(self, subscriber_id: int, slug: str, consent: Mapping[str, str], at: datetime) -> bool:
        """Subscribes again; False where the reader gets it already, or may get no mail."""


class Subscriptions:
    """The endpoint `/unsubscribe/{token}`."""

    def __init__(
        self,
        site: Site,
        pages: Pages,
        store: LeavingStore,
        keys: Mapping[str, bytes],
        clock: Callable[[], datetime],
        newsletters: Mapping[str, Newsletter],
    ) -> None:
        """`newsletters`: those offered, by slug."""
        self._site = site
        self._pages = pages
        self._store = store
        self._keys = keys
        self._clock = clock
        self._newsletters = newsletters

    async def answer(self, request: Request) -> Response:
        subscription = self._subscription(request)
        if subscription is None:
            return self._pages.render("unsubscribe_bad_link.html", 400)
        if request.method == "POST":
            return await self._act(request, subscription)
        return await self._ask(request, subscription)

    async def _ask(self, request: Request, subscription: int, status: int = 200) -> Response:
        """For GET and HEAD: mail scanners follow every link, so nothing changes here."""
        leaving = await self._leaving(subscription)
        if leaving is None:
            return self._pages.message(
                404,
                "There is nothing to unsubscribe",
                "This subscription no longer exists, and no mail goes out for it.",
            )
        if leaving.state is SubscriptionState.UNSUBSCRIBED:
            return self._left(leaving)
        offered = self._newsletters.get(leaving.newsletter)
        return self._pages.render(
            "unsubscribe.html",
            status,
            title=leaving.title,
            less=offered is not None and _gets_it(leaving),
            weekly=offered is not None and _can_be_weekly(leaving, offered),
            choose_url=self._choose_url(request, leaving),
        )

    async def _act(self, request: Request, subscription: int) -> Response:
        """For a POST from a mail program's own button or from ours; again is the same as once."""
        try:
            body = await read_body(request, _MOST_BYTES)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return self._pages.message(413, "That was too much", "Nothing has been changed.")
        fields = await read_fields(request, body)
        by = _meant(fields)
        if by != "one-click" and is_from_elsewhere(request, self._site):
            return self._pages.message(
                403, "Please open the link in your mail", "Nothing has been changed."
            )
        if by is not None:
            return await self._leave(subscription, by)
        leaving = await self._leaving(subscription)
        to = self._newsletters.get(leaving.newsletter) if leaving else None
        if leaving and to and first(fields, "less") in _LESS and _gets_it(leaving):
            return await self._lessen(first(fields, "less"), leaving, to)
        if leaving and to and "return" in fields and leaving.may_return:
            return await self._return(request, leaving, to)
        return await self._ask(request, subscription, 400)

    async def _leave(self, subscription: int, by: str) -> Response:
        if await asyncio.to_thread(self._store.leave, subscription, by=by, at=self._clock()):
            log.info("unsubscribed", subscription=subscription, by=by)
        return self._left(await self._leaving(subscription))

    async def _lessen(self, less: str, leaving: Leaving, to: Newsletter) -> Response:
        now = self._clock()
        if less == "weekly" and _can_be_weekly(leaving, to):
            wishes = replace(leaving.wishes, cadence=Cadence.WEEKLY)
            await asyncio.to_thread(self._store.choose, leaving.subscriber_id, to.slug, wishes, now)
            text = gettext_noop("It comes once a week from now on.")
        elif less == "pause":
            end = in_a_month(leaving.wishes.zone or to.zone, now)
            await asyncio.to_thread(self._store.pause, leaving.subscriber_id, {to.slug: end}, now)
            text = gettext_noop(
                "Nothing comes for a month; what is published meanwhile comes after it."
            )
        else:
            text = gettext_noop("Nothing had to be changed.")
        said = self._pages.say(text)
        return self._pages.render("service_message.html", heading=to.title, text=said)

    async def _return(self, request: Request, leaving: Leaving, to: Newsletter) -> Response:
        now = self._clock()
        words = agreement(
            to,
            leaving.wishes.within(to),
            await asyncio.to_thread(self._store.categories),
            self._pages.locale,
        )
        record = consent(HOW_RETURNED, client_of(request), words, now)
        if await asyncio.to_thread(self._store.join, leaving.subscriber_id, to.slug, record, now):
            log.info("came back", newsletter=to.slug, subscriber=leaving.subscriber_id)
        return self._pages.render("confirm_done.html", titles=[to.title])

    def _left(self, leaving: Leaving | None) -> Response:
        return self._pages.render(
            "unsubscribe_done.html",
            title=leaving.title if leaving else "",
            may_return=leaving is not None and leaving.may_return,
        )

    async def _leaving(self, subscription: int) -> Leaving | None:
        return await asyncio.to_thread(self._store.leaving, subscription)

    def _choose_url(self, request: Request, leaving: Leaving) -> str:
        """Whoever has this link can leave, and so may choose; no more than that."""
        key_id = str(request.path_params["token"]).partition(".")[0]
        payload = choosing_payload(leaving.subscriber_id)
        token = sign(Purpose.PREFERENCES, payload, key_id, self._keys[key_id])
        return f"{self._site.url}/preferences/{token}"

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


def _gets_it(leaving: Leaving) -> bool:
    return leaving.state is SubscriptionState.CONFIRMED


def _can_be_weekly(leaving: Leaving, to: Newsletter) -> bool:
    now = leaving.wishes.cadence or to.cadences[0]
    return Cadence.WEEKLY in to.cadences and now is not Cadence.WEEKLY


def _meant(fields: Fields) -> str | None:
    """Who asks to unsubscribe; None when the request does not say that it wants to."""
    if first(fields, "list-unsubscribe").strip().lower() == "one-click":
        return "one-click"
    return "page" if "confirm" in fields else None
