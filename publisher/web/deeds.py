"""What the buttons of a reader's own page do, each with the sentence that says so."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from starlette.requests import Request

from publisher.core import checks
from publisher.core.model import Newsletter, SubscriptionState
from publisher.core.preferences import MOST_A_DAY, Chosen, Own, consent, pause_end
from publisher.core.wishes import Wishes
from publisher.kit.translations import gettext_noop
from publisher.web.address_change import AddressAsking
from publisher.web.forms import Fields, client_of, first
from publisher.web.pages import Pages
from publisher.web.signup_input import Offer, WrongFieldError, checked, offered, wishes_of
from publisher.web.words import HOW_JOINED, agreement, day

_NO_DEED = gettext_noop("Please press one of the buttons.")
_NO_END = gettext_noop("A pause ends on a day of the next two years, written like 2027-01-31.")
_NO_LIMIT = gettext_noop("The limit is a whole number from 1 to %(most)s, or empty.")


class DeedsStore(Protocol):
    """What the buttons need of the store; called off the event loop, from several threads."""

    def choose(self, subscriber_id: int, slug: str, wishes: Wishes, at: datetime) -> bool:
        """Gives a subscription exactly these wishes; False where it has ended."""

    def pause(self, subscriber_id: int, ends: Mapping[str, datetime | None], at: datetime) -> None:
        """Pauses subscriptions, by slug, or lets them go on (None)."""

    def cap(self, subscriber_id: int, max_per_day: int | None, at: datetime) -> None:
        """Gives at most so many mails a day."""

    def join(self, subscriber_id: int, slug: str, consent: Mapping[str, str], at: datetime) -> bool:
        """Subscribes the reader; False where they get it already, or may get no mail."""

    def leave(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        """Ends a subscription and says goodbye; False where it had ended before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one POST is about."""

    request: Request
    own: Own
    fields: Fields
    offer: Offer
    now: datetime

    @property
    def newsletter(self) -> Newsletter:
        """Raises WrongFieldError."""
        return offered(self.offer, first(self.fields, "newsletter"))

    @property
    def confirmed(self) -> Mapping[str, Chosen]:
        return confirmed(self.own, self.offer)


def confirmed(own: Own, offer: Offer) -> Mapping[str, Chosen]:
    """What the reader gets of that which is offered, by slug."""
    return {
        each.newsletter: each
        for each in own.subscriptions
        if each.state is SubscriptionState.CONFIRMED and each.newsletter in offer.newsletters
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """All that changes choices and lets the page be shown again."""

    pages: Pages
    store: DeedsStore
    address: AddressAsking

    async def do(self, deed: str, visit: Visit) -> str:
        """Does what a button is for; what is done now, in the language of the page.

        Raises WrongFieldError.
        """
        match deed:
            case "save":
                return await self._save(visit)
            case "pause":
                return await self._pause(visit, [visit.newsletter.slug])
            case "pause-all":
                return await self._pause(visit, list(visit.confirmed))
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
                return self.pages.say(
                    gettext_noop(
                        "Please look into the inbox of the new address, and confirm it there."
                    )
                )
        raise WrongFieldError("do", "it is not said what to do", _NO_DEED)

    async def _save(self, visit: Visit) -> str:
        to = visit.newsletter
        wishes = wishes_of(visit.fields, to, visit.offer)
        await asyncio.to_thread(
            self.store.choose, visit.own.subscriber_id, to.slug, wishes, visit.now
        )
        words = agreement(to, wishes, visit.offer.categories, self.pages.locale)
        return self.pages.say(gettext_noop("Saved: %(choice)s."), choice=words)

    async def _pause(self, visit: Visit, slugs: Sequence[str]) -> str:
        written = first(visit.fields, "until").strip()[:20]
        ends: dict[str, datetime | None] = {}
        try:
            until = day(date.fromisoformat(written), self.pages.locale)
            for slug in slugs:
                chosen = visit.confirmed.get(slug)
                own_zone = chosen.wishes.zone if chosen else None
                zone = own_zone or visit.offer.newsletters[slug].zone
                ends[slug] = pause_end(written, zone, visit.now)
        except ValueError as error:
            raise WrongFieldError("until", error, _NO_END) from None
        await asyncio.to_thread(self.store.pause, visit.own.subscriber_id, ends, visit.now)
        return self.pages.say(
            gettext_noop("Paused until %(day)s; what is published meanwhile comes after it."),
            day=until,
        )

    async def _resume(self, visit: Visit) -> str:
        to = visit.newsletter
        await asyncio.to_thread(
            self.store.pause, visit.own.subscriber_id, {to.slug: None}, visit.now
        )
        return self.pages.say(gettext_noop("%(newsletter)s goes on."), newsletter=to.title)

    async def _cap(self, visit: Visit) -> str:
        most = checked(
            visit.fields,
            "most",
            lambda text: checks.whole(text, 1, MOST_A_DAY),
            _NO_LIMIT,
            most=str(MOST_A_DAY),
        )
        await asyncio.to_thread(self.store.cap, visit.own.subscriber_id, most, visit.now)
        if most is None:
            return self.pages.say(gettext_noop("Saved: as many mails a day as there are."))
        sentence = self.pages.words.ngettext(
            "Saved: at most %(num)s mail a day; what is more comes with the next edition.",
            "Saved: at most %(num)s mails a day; what is more comes with the next edition.",
            most,
        )
        return sentence % {"num": most}

    async def _join(self, visit: Visit) -> str:
        to = visit.newsletter
        former = [each.wishes for each in visit.own.subscriptions if each.newsletter == to.slug]
        wishes = former[0].within(to) if former else Wishes()
        words = agreement(to, wishes, visit.offer.categories, self.pages.locale)
        record = consent(HOW_JOINED, client_of(visit.request), words, visit.now)
        await asyncio.to_thread(
            self.store.join, visit.own.subscriber_id, to.slug, record, visit.now
        )
        return self.pages.say(gettext_noop("Subscribed: %(choice)s."), choice=words)

    async def _leave(self, visit: Visit) -> str:
        to = visit.newsletter
        for each in visit.own.subscriptions:
            if each.newsletter == to.slug:
                await asyncio.to_thread(
                    self.store.leave, each.subscription_id, by="preferences", at=visit.now
                )
        return self.pages.say(gettext_noop("%(newsletter)s comes no more."), newsletter=to.title)
