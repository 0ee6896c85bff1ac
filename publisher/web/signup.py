"""Signing up by a form: on a page of ours, or on any site's that embeds it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Protocol
from zoneinfo import available_timezones

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.core.links import subscribe_url
from publisher.core.model import Cadence, Newsletter, Site
from publisher.core.schedule import WEEKDAYS
from publisher.core.signup import SignUp
from publisher.web import signup_input
from publisher.web.forms import Fields, client_of, first, origin_of, read_body, read_fields
from publisher.web.limits import Limits
from publisher.web.pages import Pages
from publisher.web.signup_input import Offer, WrongFieldError
from publisher.web.words import CADENCES, days

TRAP = "website"
"""A field that nobody sees: what fills it in is a program."""

_MOST_BYTES = 64 * 1024


class SignUpStore(Protocol):
    """What this page needs of the store; called off the event loop, from several threads."""

    def categories(self) -> Mapping[str, str]:
        """Titles by slug, of all that there are."""

    def ask(self, asked: SignUp, at: datetime) -> None:
        """Notes it and has the owner of the address asked; the same work whoever that is."""


class SignUpForm:
    """The endpoint `/subscribe`."""

    def __init__(
        self,
        site: Site,
        pages: Pages,
        newsletters: Mapping[str, Newsletter],
        store: SignUpStore,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._site = site
        self._pages = pages
        self._newsletters = newsletters
        self._store = store
        self._limits = limits
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                return await self._ask(request)
            except ClientDisconnect:
                return Response(status_code=400)
        return self._page(request, await self._offer(), {})

    async def _ask(self, request: Request) -> Response:
        """The answer tells nobody whether the address is known, nor does the time it takes.

        Other sites' pages may send this form, so `forms.is_from_elsewhere` is not asked here: all
        that comes of it is one mail a day, which whoever posts from anywhere can cause as well.
        """
        if wait := self._limits.wait_of_client(client_of(request)):
            return too_often(self._pages, wait)
        body = await read_body(request, _MOST_BYTES)
        if body is None:
            return self._pages.message(413, "That was too much", "Nothing has been changed.")
        fields = await read_fields(request, body)
        try:
            address = signup_input.address_of(fields)
            if wait := self._limits.wait_of_domain(address.rpartition("@")[2]):
                return too_often(self._pages, wait)
            asked = signup_input.read(fields, await self._offer(), self._consent(request))
        except WrongFieldError as wrong:
            return self._page(request, await self._offer(), fields, wrong)
        if not first(fields, TRAP):
            await asyncio.to_thread(self._store.ask, asked, self._clock())
        return self._pages.render("subscribe_done.html")

    def _consent(self, request: Request) -> Mapping[str, str]:
        """For the record, from where this was asked."""
        origin = request.headers.get("origin", "")
        elsewhere = origin.startswith("http") and origin != origin_of(self._site.url)
        page = origin[:200] if elsewhere else subscribe_url(self._site)
        return {"asked_from": client_of(request), "asked_on": page}

    async def _offer(self) -> Offer:
        categories = await asyncio.to_thread(self._store.categories)
        return Offer(newsletters=self._newsletters, categories=categories)

    def _page(
        self, request: Request, offer: Offer, fields: Fields, wrong: WrongFieldError | None = None
    ) -> Response:
        """The form, filled in as it was sent."""
        named = self._newsletters.get(request.query_params.get("newsletter", ""))
        offered = [named] if named else list(self._newsletters.values())
        return self._pages.render(
            "subscribe.html",
            400 if wrong else 200,
            offered=[choices(each, offer, fields, len(offered) == 1) for each in offered],
            email=first(fields, "email"),
            name=first(fields, "name"),
            wrong=wrong,
            complaint=self._pages.say(wrong.sentence, **wrong.values) if wrong else "",
            trap=TRAP,
            days=days(self._pages.locale),
            zones=zones(),
        )


def too_often(pages: Pages, seconds: int) -> Response:
    response = pages.message(
        429,
        "Please try again later",
        "Too many sign-ups came from where you are, or for mailboxes like yours. "
        "Nothing has been changed.",
    )
    response.headers["Retry-After"] = str(seconds)
    return response


def choices(
    newsletter: Newsletter, offer: Offer, fields: Fields, alone: bool
) -> Mapping[str, object]:
    """What the form shows of a newsletter: what can be chosen, and what was."""
    own = "" if alone else f":{newsletter.slug}"
    chosen = fields.get(f"category{own}", [])
    cadence = first(fields, f"cadence{own}") or newsletter.cadences[0]
    return {
        "slug": newsletter.slug,
        "title": newsletter.title,
        "own": own,
        "is_chosen": alone or newsletter.slug in fields.get("newsletter", ()),
        "cadences": [(each, CADENCES[each], each == cadence) for each in newsletter.cadences],
        "categories": [
            (slug, title, slug in chosen)
            for slug, title in sorted(
                offer.categories_of(newsletter).items(), key=lambda each: each[1].casefold()
            )
        ],
        "at": first(fields, f"at{own}") or f"{newsletter.at:%H:%M}",
        "weekday": first(fields, f"weekday{own}") or WEEKDAYS[newsletter.weekday],
        "zone": first(fields, f"zone{own}") or newsletter.zone,
        "has_hour": newsletter.cadences != (Cadence.IMMEDIATE,),
        "has_day": Cadence.WEEKLY in newsletter.cadences,
    }


@cache
def zones() -> list[str]:
    """Names like Europe/Berlin, without those of former times."""
    return sorted(
        each
        for each in available_timezones()
        if "/" in each and not each.startswith(("Etc/", "SystemV/", "US/", "posix", "right"))
    )
