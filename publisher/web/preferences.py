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

from publisher.core import checks
from publisher.core.model import Newsletter, Site, SubscriberState, SubscriptionState
from publisher.core.preferences import (
    MOST_A_DAY,
    Chosen,
    Own,
    ReaderLink,
    consent,
    link_of,
    pause_end,
)
from publisher.core.schedule import WEEKDAYS
from publisher.core.tokens import BadTokenError, Purpose, read
from publisher.core.wishes import Wishes
from publisher.web.address_change import AddressAsking
from publisher.web.forms import (
    Fields,
    client_of,
    first,
    is_from_elsewhere,
    read_body,
    read_fields,
)
from publisher.web.own_data import OwnData
from publisher.web.pages import Pages
from publisher.web.signup import choices, zones
from publisher.web.signup_input import Offer, WrongFieldError, checked, wishes_of
from publisher.web.words import HOW_JOINED, agreement, days

_MOST_BYTES = 64 * 1024
_OF_OWNERS = ("join", "address", "data", "erase")

log = structlog.get_logger(__name__)


class PreferencesStore(Protocol):
    """What this page needs of the store; called off the event loop, from several threads."""

    def categories(self) -> Mapping[str, str]:
        """Titles by slug, of all that there are."""

    def own(self, subscriber_id: int) -> Own | None:
        """What the page shows; None where the reader is no more."""

    def choose(self, subscriber_id: int, slug: str, wishes: Wishes, at: datetime) -> bool:
        """Gives a subscription exactly these wishes; False where it has ended."""

    def pause(self, subscriber_id: int, ends: Mapping[str, datetime | None], at: datetime) -> None:
        """Pauses subscriptions, by slug, or lets them go on (None)."""

    def cap(self, subscriber_id: int, max_per_day: int | None) -> None:
        """Gives at most so many mails a day."""

    def join(self, subscriber_id: int, slug: str, consent: Mapping[str, str], at: datetime) -> bool:
        """Subscribes the reader; False where they get it already, or may get no mail."""

    def leave(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        """Ends a subscription and says goodbye; False where it had ended before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """What one POST is about."""

    request: Request
    own: Own
    fields: Fields
    offer: Offer
    now: datetime

    @property
    def newsletter(self) -> Newsletter:
        """Raises WrongFieldError."""
        slug = first(self.fields, "newsletter")
        if slug not in self.offer.newsletters:
            raise WrongFieldError("newsletter", "there is no such newsletter")
        return self.offer.newsletters[slug]

    @property
    def confirmed(self) -> Mapping[str, Chosen]:
        return _confirmed(self.own, self.offer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The endpoint `/preferences/{token}`."""

    site: Site
    pages: Pages
    newsletters: Mapping[str, Newsletter]
    store: PreferencesStore
    keys: Mapping[str, bytes]
    clock: Callable[[], datetime]
    address: AddressAsking
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
        visit = _Visit(
            request=request, own=own, fields=fields, offer=await self._offer(), now=self.clock()
        )
        match deed:
            case "data":
                return await self.data.download(own)
            case "erase":
                return await self.data.erase(own, fields, visit.now)
        try:
            done = await self._do(deed, visit)
        except WrongFieldError as wrong:
            return await self._page(own, link, 400, fields=fields, wrong=wrong)
        changed = await asyncio.to_thread(self.store.own, link.subscriber_id)
        log.info("preferences", subscriber=own.subscriber_id, did=deed)
        return await self._page(changed or own, link, done=done)

    async def _do(self, deed: str, visit: _Visit) -> str:
        """Raises WrongFieldError."""
        match deed:
            case "save":
                return await self._save(visit)
            case "pause" | "pause-all":
                return await self._pause(visit, visit.confirmed if deed == "pause-all" else None)
            case "resume":
                return await self._resume(visit)
            case "cap":
                return await self._cap(visit)
            case "join":
                return await self._join(visit)
            case "leave":
                return await self._leave(visit)
            case "address":
                await self.address.ask(visit.request, visit.own, visit.fields, visit.now)
                return "Please look into the inbox of the new address, and confirm it there."
        raise WrongFieldError("do", "it is not said what to do")

    async def _save(self, visit: _Visit) -> str:
        to = visit.newsletter
        wishes = wishes_of(visit.fields, to, visit.offer)
        await asyncio.to_thread(
            self.store.choose, visit.own.subscriber_id, to.slug, wishes, visit.now
        )
        words = agreement(to, wishes, visit.offer.categories, self.pages.locale)
        return f"Saved: {words}."

    async def _pause(self, visit: _Visit, all_of: Mapping[str, Chosen] | None) -> str:
        slugs = list(all_of) if all_of is not None else [visit.newsletter.slug]
        ends: dict[str, datetime | None] = {}
        for slug in slugs:
            chosen = visit.confirmed.get(slug)
            zone = (chosen.wishes.zone if chosen else None) or visit.offer.newsletters[slug].zone
            try:
                ends[slug] = pause_end(first(visit.fields, "until").strip()[:20], zone, visit.now)
            except ValueError as error:
                raise WrongFieldError("until", str(error)) from None
        await asyncio.to_thread(self.store.pause, visit.own.subscriber_id, ends, visit.now)
        day = first(visit.fields, "until").strip()
        return f"Paused until {day}; what is published meanwhile comes after it."

    async def _resume(self, visit: _Visit) -> str:
        to = visit.newsletter
        await asyncio.to_thread(
            self.store.pause, visit.own.subscriber_id, {to.slug: None}, visit.now
        )
        return f"{to.title} goes on."

    async def _cap(self, visit: _Visit) -> str:
        most = checked(visit.fields, "most", lambda text: checks.whole(text, 1, MOST_A_DAY))
        await asyncio.to_thread(self.store.cap, visit.own.subscriber_id, most)
        if most is None:
            return "Saved: as many mails a day as there are."
        return f"Saved: at most {most} a day; what is more comes with the next edition."

    async def _join(self, visit: _Visit) -> str:
        to = visit.newsletter
        former = [each.wishes for each in visit.own.subscriptions if each.newsletter == to.slug]
        words = agreement(
            to,
            former[0] if former else Wishes(),
            visit.offer.categories,
            self.pages.locale,
        )
        record = consent(HOW_JOINED, client_of(visit.request), words, visit.now)
        await asyncio.to_thread(
            self.store.join, visit.own.subscriber_id, to.slug, record, visit.now
        )
        return f"Subscribed: {words}."

    async def _leave(self, visit: _Visit) -> str:
        to = visit.newsletter
        for each in visit.own.subscriptions:
            if each.newsletter == to.slug:
                await asyncio.to_thread(
                    self.store.leave, each.subscription_id, by="preferences", at=visit.now
                )
        return f"{to.title} comes no more."

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
        chosen, saving = _confirmed(own, offer), first(sent, "do") == "save"
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
                    "paused_until": _day_of_pause(each, self.newsletters[slug], now),
                }
                for slug, each in chosen.items()
            ],
            others=[each for slug, each in self.newsletters.items() if slug not in chosen],
            most=first(sent, "most") or own.max_per_day or "",
            new_address=first(sent, "address"),
            most_a_day=MOST_A_DAY,
            done=done,
            wrong=wrong,
            days=days(self.pages.locale),
            zones=zones(),
        )

    def _shown(self, each: Chosen, offer: Offer, sent: Fields | None) -> dict[str, object]:
        to = self.newsletters[each.newsletter]
        return {
            **choices(to, offer, sent or as_fields(each.wishes), alone=True),
            "words": agreement(to, each.wishes, offer.categories, self.pages.locale),
        }

    def _link(self, request: Request) -> ReaderLink | None:
        try:
            return link_of(read(Purpose.PREFERENCES, request.path_params["token"], self.keys))
        except BadTokenError:
            return None


def _confirmed(own: Own, offer: Offer) -> Mapping[str, Chosen]:
    """What the reader gets of that which is offered, by slug."""
    return {
        each.newsletter: each
        for each in own.subscriptions
        if each.state is SubscriptionState.CONFIRMED and each.newsletter in offer.newsletters
    }


def _day_of_pause(each: Chosen, to: Newsletter, now: datetime) -> str:
    """On which it comes again; empty where it is not paused."""
    if each.paused_until is None or each.paused_until <= now:
        return ""
    return each.paused_until.astimezone(ZoneInfo(each.wishes.zone or to.zone)).date().isoformat()


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
