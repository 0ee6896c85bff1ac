"""Where the link in a confirmation mail leads: looking changes nothing, the button does."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.core.model import Newsletter, Site
from publisher.core.signup import Standing, from_payload
from publisher.core.tokens import BadTokenError, Purpose, read
from publisher.web.forms import client_of, is_from_elsewhere, read_body, read_fields
from publisher.web.pages import Pages
from publisher.web.words import agreement

_MOST_BYTES = 10 * 1024

log = structlog.get_logger(__name__)


class ConfirmationStore(Protocol):
    """What this page needs of the store; called off the event loop, from several threads."""

    def categories(self) -> Mapping[str, str]:
        """Titles by slug, of all that there are."""

    def standing(self, subscriber_id: int, asked_at: datetime) -> Standing | None:
        """What a link to confirm finds; None where its reader is no more."""

    def confirm(
        self,
        subscriber_id: int,
        asked_at: datetime,
        chosen: Mapping[str, Mapping[str, str]],
        at: datetime,
    ) -> Sequence[str]:
        """Begins what was chosen, each with what its record is to say; the slugs of those that
        began."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A newsletter that waits to be confirmed."""

    slug: str
    words: str
    """What its reader agrees to."""


class Confirmation:
    """The endpoint `/confirm/{token}`."""

    def __init__(
        self,
        site: Site,
        pages: Pages,
        newsletters: Mapping[str, Newsletter],
        store: ConfirmationStore,
        keys: Mapping[str, bytes],
        clock: Callable[[], datetime],
    ) -> None:
        self._site = site
        self._pages = pages
        self._newsletters = newsletters
        self._store = store
        self._keys = keys
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        link = self._link(request)
        if link is None:
            return self._pages.render("confirm_bad_link.html", 400)
        if request.method != "POST":
            return await self._look(*link)
        if is_from_elsewhere(request, self._site):
            return self._pages.message(
                403, "Please open the link in your mail", "Nothing has been changed."
            )
        try:
            return await self._confirm(request, *link)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _look(self, subscriber_id: int, asked_at: datetime, status: int = 200) -> Response:
        """For GET and HEAD: mail scanners follow every link, so nothing changes here."""
        standing = await asyncio.to_thread(self._store.standing, subscriber_id, asked_at)
        asked = await self._asked(standing)
        if asked and standing:
            return self._pages.render(
                "confirm.html",
                status,
                asked=asked,
                address=standing.address,
                name=standing.name,
            )
        return self._done(standing)

    async def _confirm(self, request: Request, subscriber_id: int, asked_at: datetime) -> Response:
        """For a POST by the button; again is the same as once."""
        body = await read_body(request, _MOST_BYTES)
        if body is None:
            return self._pages.message(413, "That was too much", "Nothing has been changed.")
        fields = await read_fields(request, body)
        asked = await self._asked(
            await asyncio.to_thread(self._store.standing, subscriber_id, asked_at)
        )
        ticked = fields.get("newsletter", [each.slug for each in asked])
        if "choosing" in fields and "newsletter" not in fields:
            return await self._look(subscriber_id, asked_at, 400)
        now = self._clock()
        record = {
            "given_at": now.isoformat(),
            "how": "confirmed by mail",
            "given_from": client_of(request),
        }
        chosen = {each.slug: {**record, "agreed_to": each.words} for each in asked}
        chosen = {slug: said for slug, said in chosen.items() if slug in ticked}
        if chosen:
            begun = await asyncio.to_thread(
                self._store.confirm, subscriber_id, asked_at, chosen, now
            )
            log.info("subscribed", newsletters=list(begun), subscriber=subscriber_id)
        return self._done(await asyncio.to_thread(self._store.standing, subscriber_id, asked_at))

    def _done(self, standing: Standing | None) -> Response:
        reading = standing.reading if standing else ()
        titles = [self._newsletters[slug].title for slug in reading if slug in self._newsletters]
        if titles:
            return self._pages.render("confirm_done.html", titles=titles)
        return self._pages.message(
            404,
            "There is nothing to confirm",
            "What was asked for has been forgotten, as nobody confirmed it within a week, or it "
            "has ended since. You are welcome to sign up again.",
        )

    async def _asked(self, standing: Standing | None) -> Sequence[_Asked]:
        """Those of the newsletters asked for that are offered."""
        if standing is None or not standing.waiting:
            return ()
        titles = await asyncio.to_thread(self._store.categories)
        return [
            _Asked(slug, agreement(self._newsletters[slug], wishes, titles, self._pages.locale))
            for slug, wishes in standing.waiting.items()
            if slug in self._newsletters
        ]

    def _link(self, request: Request) -> tuple[int, datetime] | None:
        try:
            return from_payload(read(Purpose.CONFIRM, request.path_params["token"], self._keys))
        except BadTokenError:
            return None
