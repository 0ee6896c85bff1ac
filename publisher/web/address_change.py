"""A change of address: asked for on the reader's page, confirmed by a link sent to the new one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response

from publisher.core.model import Site
from publisher.core.preferences import ChangeLink, Own, change_of
from publisher.core.tokens import BadTokenError, Purpose, read
from publisher.kit.translations import gettext_noop
from publisher.web.forms import Fields, client_of, is_from_elsewhere
from publisher.web.limits import Limits
from publisher.web.pages import Pages
from publisher.web.signup_input import WrongFieldError, address_of

_TOO_OFTEN = gettext_noop("That was too often. Please try again later.")

log = structlog.get_logger(__name__)


class AddressStore(Protocol):
    """What it needs of the store; called off the event loop, from several threads."""

    def ask_change(self, subscriber_id: int, address: str, at: datetime) -> None:
        """Has a checked address asked whether it is the reader's new one."""

    def new_address(self, link: ChangeLink) -> str | None:
        """The address that the link confirms; None where it has served, or was forgotten."""

    def change_address(self, link: ChangeLink, at: datetime) -> bool:
        """Confirms it; False where the link confirms nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAsking:
    """The form on the reader's page."""

    store: AddressStore
    limits: Limits

    async def ask(self, request: Request, own: Own, fields: Fields, now: datetime) -> None:
        """The same for every address, whether it is a reader's or may not be mailed.

        Raises WrongFieldError for what is no address, or too many of them.
        """
        address = address_of(fields, "address")
        wait = self.limits.wait_of_client(client_of(request)) or self.limits.wait_of_domain(
            address.rpartition("@")[2]
        )
        if wait:
            raise WrongFieldError("address", "that was too often", _TOO_OFTEN)
        await asyncio.to_thread(self.store.ask_change, own.subscriber_id, address, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChange:
    """The endpoint `/address/{token}`, where the mail to the new address leads."""

    site: Site
    pages: Pages
    store: AddressStore
    keys: Mapping[str, bytes]
    clock: Callable[[], datetime]

    async def answer(self, request: Request) -> Response:
        link = self._link(request)
        if link is None:
            return self.pages.render("confirm_bad_link.html", 400)
        if request.method == "POST":
            return await self._change(request, link)
        address = await asyncio.to_thread(self.store.new_address, link)
        if address is None:
            return self._nothing()
        return self.pages.render("address.html", address=address)

    async def _change(self, request: Request, link: ChangeLink) -> Response:
        """For a POST by the button; its body says nothing, and is not read."""
        if is_from_elsewhere(request, self.site):
            return self.pages.message(
                403, "Please open the link in your mail", "Nothing has been changed."
            )
        if not await asyncio.to_thread(self.store.change_address, link, self.clock()):
            return self._nothing()
        log.info("address changed", subscriber=link.subscriber_id)
        return self.pages.message(
            200, "Your address is changed", "Your newsletters come to this address from now on."
        )

    def _nothing(self) -> Response:
        return self.pages.message(
            404,
            "There is nothing to confirm",
            "Either this was confirmed already, or nobody did so within two days and it has been "
            "forgotten, or the address cannot be used. Nothing has been changed.",
        )

    def _link(self, request: Request) -> ChangeLink | None:
        try:
            return change_of(read(Purpose.ADDRESS, request.path_params["token"], self.keys))
        except BadTokenError:
            return None
