"""A reader's own page, behind the link in each of their mails: looking changes nothing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.core.model import Newsletter, Site, SubscriberState
from publisher.core.preferences import MOST_A_DAY, Chosen, Own, ReaderLink, link_of
from publisher.core.schedule import WEEKDAYS
from publisher.core.tokens import BadTokenError, Purpose, read
from publisher.core.wishes import Wishes
from publisher.web.deeds import Deeds, DeedsStore, Visit, confirmed
from publisher.web.forms import Fields, first, is_from_elsewhere, read_body, read_fields
from publisher.web.own_data import OwnData
from publisher.web.pages import Pages
from publisher.web.signup import choices, zones
from publisher.web.signup_input import Offer, WrongFieldError
from publisher.web.words import agreement, day, days

_MOST_BYTES = 64 * 1024
_OF_OWNERS = ("join", "address", "data", "erase")

log = structlog.get_logger(__name__)


class PreferencesStore(DeedsStore, Protocol):
    """What this page needs of the store beside its buttons; called as they call it."""

    def categories(self) -> Mapping[str, str]:
        """Titles by slug, of all that there are."""

    def own(self, subscriber_id: int) -> Own | None:
        """What the page shows; None where the reader is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The endpoint `/preferences/{token}`."""

    site: Site
    pages: Pages
    newsletters: Mapping[str, Newsletter]
    store: PreferencesStore
    keys: Mapping[str, bytes]
    clock: Callable[[], datetime]
    deeds: Deeds
    data: OwnData

    async def answer(self, request: Request) -> Response:
        link = self._link(request)
        if link is None:
            return self.pages.render("unsubscribe_bad_link.html", 400)
        own = await asyncio.to_thread(self.store.own, link.subscriber_id)
        if own is None:
            return self.pages.message(
                404,
                "There is nothing here any more",
                "Nothing is kept about you, and no mail goes out.",
            )
        if request.method != "POST":
            return await self._page(own, link)
        if is_from_elsewhere(request, self.site):
            return self.pages.message(
                403, "Please open the link in your mail", "Nothing has been changed."
            )
        try:
            return await self._act(request, own, link)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _act(self, request: Request, own: Own, link: ReaderLink) -> Response:
        body = await read_body(request, _MOST_BYTES)
        if body is None:
            return self.pages.message(413, "That was too much", "Nothing has been changed.")
        fields = await read_fields(request, body)
        deed = first(fields, "do")
        if deed in _OF_OWNERS and not link.is_owners(own.token_version):
            return self.pages.message(
                403,
                "Please open the link in a newer mail",
                "This one is from before your address was changed, or from a page that may only "
                "choose and leave. Nothing has been changed.",
            )
        visit = Visit(
            request=request, own=own, fields=fields, offer=await self._offer(), now=self.clock()
        )
        match deed:
            case "data":
                return await self.data.download(own, visit.now)
            case "erase":
                return await self.data.erase(own, fields, visit.now)
        try:
            done = await self.deeds.do(deed, visit)
        except WrongFieldError as wrong:
            return await self._page(own, link, 400, fields=fields, wrong=wrong)
        changed = await asyncio.to_thread(self.store.own, link.subscriber_id)
        log.info("preferences", subscriber=own.subscriber_id, did=deed)
        return await self._page(changed or own, link, done=done)

    async def _offer(self) -> Offer:
        categories = await asyncio.to_thread(self.store.categories)
        return Offer(newsletters=self.newsletters, categories=categories)

    async def _page(
        self,
        own: Own,
        link: ReaderLink,
        status: int = 200,
        *,
        fields: Fields | None = None,
        wrong: WrongFieldError | None = None,
        done: str = "",
    ) -> Response:
        """`fields`: what was sent, where something is wrong with it."""
        offer, sent, now = await self._offer(), fields or {}, self.clock()
        chosen, saving = confirmed(own, offer), first(sent, "do") == "save"
        return self.pages.with_script(
            "preferences.html",
            status,
            own=own,
            is_owner=link.is_owners(own.token_version),
            is_suppressed=own.state is SubscriberState.SUPPRESSED,
            chosen=[
                {
                    **self._shown(
                        each, offer, sent if saving and first(sent, "newsletter") == slug else None
                    ),
                    "guess": not each.wishes.zone and not own.zone,
                    "paused_until": self._day_of_pause(each, now),
                }
                for slug, each in chosen.items()
            ],
            others=[each for slug, each in self.newsletters.items() if slug not in chosen],
            most=first(sent, "most") or own.max_per_day or "",
            new_address=first(sent, "address"),
            most_a_day=MOST_A_DAY,
            done=done,
            wrong=wrong,
            complaint=self.pages.say(wrong.sentence, **wrong.values) if wrong else "",
            days=days(self.pages.locale),
            zones=zones(),
        )

    def _shown(self, each: Chosen, offer: Offer, sent: Fields | None) -> dict[str, object]:
        to = self.newsletters[each.newsletter]
        return {
            **choices(to, offer, sent or as_fields(each.wishes), alone=True),
            "words": agreement(to, each.wishes, offer.categories, self.pages.locale),
        }

    def _day_of_pause(self, each: Chosen, now: datetime) -> str:
        """On which it comes again; empty where it is not paused."""
        if each.paused_until is None or each.paused_until <= now:
            return ""
        zone = ZoneInfo(each.wishes.zone or self.newsletters[each.newsletter].zone)
        return day(each.paused_until.astimezone(zone).date(), self.pages.locale)

    def _link(self, request: Request) -> ReaderLink | None:
        try:
            return link_of(read(Purpose.PREFERENCES, request.path_params["token"], self.keys))
        except BadTokenError:
            return None


def as_fields(wishes: Wishes) -> Fields:
    """Wishes as their form would send them."""
    said = {
        "category": list(wishes.categories or ()),
        "cadence": [wishes.cadence.value] if wishes.cadence else [],
        "at": [f"{wishes.at:%H:%M}"] if wishes.at else [],
        "weekday": [WEEKDAYS[wishes.weekday]] if wishes.weekday is not None else [],
        "zone": [wishes.zone] if wishes.zone else [],
    }
    return {name: values for name, values in said.items() if values}
