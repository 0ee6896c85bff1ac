"""The web side put together: feeds, editions, unsubscribing, health, and what is not there."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from publisher.core.links import feeds_url
from publisher.core.model import Newsletter, Site
from publisher.errors import TransientError
from publisher.web.address_change import AddressAsking, AddressChange, AddressStore
from publisher.web.api import ApiStore, SubscribersApi
from publisher.web.confirmation import Confirmation, ConfirmationStore
from publisher.web.deeds import Deeds
from publisher.web.editions import Editions, EditionShelf
from publisher.web.files import FeedFiles
from publisher.web.headers import Headers
from publisher.web.limits import Limits
from publisher.web.old_addresses import OldAddresses, Past
from publisher.web.own_data import OwnData, OwnDataStore
from publisher.web.pages import Pages
from publisher.web.preferences import Preferences, PreferencesStore
from publisher.web.signup import SignUpForm
from publisher.web.subscriptions import LeavingStore, Subscriptions


class SubscribingStore(
    ApiStore,
    ConfirmationStore,
    AddressStore,
    LeavingStore,
    OwnDataStore,
    PreferencesStore,
    Protocol,
):
    """All that signing up and readers' own pages ask of the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    newsletters: Mapping[str, Newsletter]
    """Those offered, by slug."""
    store: SubscribingStore
    api_token: str = ""
    """That an operator's programs send; empty where there are none."""
    limits: Limits = field(default_factory=Limits)


_UNCACHED = {"Cache-Control": "no-store"}


def create_app(
    *,
    site: Site,
    feeds: Path,
    store: LeavingStore,
    past: Past,
    keys: Mapping[str, bytes],
    clock: Callable[[], datetime],
    ready: Callable[[], str | None],
    media_from: Sequence[str] = (),
    editions: EditionShelf | None = None,
    hubs: Sequence[str] = (),
    subscribing: Subscribing | None = None,
) -> ASGIApp:
    """The application for `site`, serving the folder `feeds` under `/feeds/`.

    `subscribing`: what it takes to let people subscribe; None where there are feeds only.
    `media_from`: where pages may load pictures and sound from, besides the site itself; `hubs`:
    where readers can have themselves told of new entries, named beside every feed. `keys` are
    the signing keys by id; `ready`, called in a thread, tells in a sentence why the program cannot
    do its work now, or None. Where the site's address has a path (`/news`), everything answers both
    under it and without it: some proxies take it away and some do not.
    """
    pages = Pages(site)
    routes = [
        Route(
            "/unsubscribe/{token}",
            Subscriptions(
                site,
                pages,
                store,
                keys,
                clock,
                subscribing.newsletters if subscribing else {},
            ).answer,
            methods=["GET", "POST"],
        )
    ]
    if editions is not None:
        routes.append(Route("/editions/{name}", Editions(pages, editions, media_from).answer))
    if subscribing is not None:
        routes += _signing_up(subscribing, site, pages, keys, clock)
        routes += _own_pages(subscribing, site, pages, keys, clock)
    answering = _site_pages(pages, routes, OldAddresses(site, pages, past), ready)

    async def site_pages(scope: Scope, receive: Receive, send: Send) -> None:
        pages.speak_as(scope)
        await answering(scope, receive, send)

    files = FeedFiles(feeds, site_pages, Headers(feeds_url(site), hubs, media_from))
    prefix = _segments(quote(urlsplit(site.url).path.rstrip("/"), safe="/%").encode())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        segments = _segments(scope["raw_path"])
        if prefix and segments[: len(prefix)] == prefix:
            segments = segments[len(prefix) :]
        scope = {**scope, "path": "/" + "/".join(segments)}
        if segments[:1] == ("feeds",) and len(segments) > 1:
            await files.serve(segments[1:], scope, receive, send)
        else:
            await site_pages(scope, receive, send)

    return app


def _segments(raw_path: bytes) -> tuple[str, ...]:
    """The decoded parts of a path; one that nothing has for an encoded slash or broken UTF-8."""
    try:
        decoded = [unquote(part, errors="strict") for part in raw_path.decode("ascii").split("/")]
    except UnicodeDecodeError:
        return ("\ufffd",)
    return ("\ufffd",) if any("/" in part for part in decoded) else tuple(decoded[1:])


def _signing_up(
    subscribing: Subscribing,
    site: Site,
    pages: Pages,
    keys: Mapping[str, bytes],
    clock: Callable[[], datetime],
) -> list[Route]:
    offered, store, limits = subscribing.newsletters, subscribing.store, subscribing.limits
    form = SignUpForm(site, pages, offered, store, limits, clock)
    confirmation = Confirmation(site, pages, offered, store, keys, clock)
    routes = [
        Route("/subscribe", form.answer, methods=["GET", "POST"]),
        Route("/confirm/{token}", confirmation.answer, methods=["GET", "POST"]),
    ]
    if subscribing.api_token:
        api = SubscribersApi(subscribing.api_token, offered, store, limits, clock)
        routes.append(Route("/api/subscribers", api.answer, methods=["POST"]))
    return routes


def _own_pages(
    subscribing: Subscribing,
    site: Site,
    pages: Pages,
    keys: Mapping[str, bytes],
    clock: Callable[[], datetime],
) -> list[Route]:
    store = subscribing.store
    asking = AddressAsking(store=store, limits=subscribing.limits)
    preferences = Preferences(
        site=site,
        pages=pages,
        newsletters=subscribing.newsletters,
        store=store,
        keys=keys,
        clock=clock,
        deeds=Deeds(pages=pages, store=store, address=asking),
        data=OwnData(pages=pages, store=store),
    )
    change = AddressChange(site=site, pages=pages, store=store, keys=keys, clock=clock)
    return [
        Route("/preferences/{token}", preferences.answer, methods=["GET", "POST"]),
        Route("/address/{token}", change.answer, methods=["GET", "POST"]),
    ]


def _site_pages(
    pages: Pages,
    routes: Sequence[Route],
    old: OldAddresses,
    ready: Callable[[], str | None],
) -> Starlette:
    async def front(request: Request) -> Response:
        # Relative, so that it is right behind any proxy; asked for as `/news` it starts from there.
        last = request.scope["raw_path"].decode("ascii").rpartition("/")[2]
        here = "" if last in ("", "feeds") else f"{last}/"
        return RedirectResponse(f"./{here}feeds/", 307, _UNCACHED)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_UNCACHED)

    async def readyz(_request: Request) -> Response:
        if reason := await asyncio.to_thread(ready):
            return JSONResponse({"status": "not ready", "reason": reason}, 503, _UNCACHED)
        return JSONResponse({"status": "ok"}, headers=_UNCACHED)

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            response = pages.message(405, "That cannot be done here", "Nothing has been changed.")
            response.headers.update(error.headers or {})
            return response
        segments = request.scope["path"].split("/")[1:]
        answer = await asyncio.to_thread(old.answer, segments) or pages.message(
            404,
            "This page is not here",
            "It may have moved, or the address may have lost a letter on its way.",
        )
        # A feed reader that is a page of another site is to see that a feed moved or is gone.
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    async def later(_request: Request, _error: Exception) -> Response:
        response = pages.message(
            503,
            "Please try again in a moment",
            "Something failed on our side; nothing was changed.",
        )
        response.headers["Retry-After"] = "60"
        return response

    async def failed(_request: Request, _error: Exception) -> Response:
        return pages.message(500, "Something went wrong on our side", "Please try again later.")

    app = Starlette(
        routes=[
            Route("/", front),
            Route("/feeds", front),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *routes,
        ],
        exception_handlers={HTTPException: refused, TransientError: later, Exception: failed},
    )
    # Starlette would build the address from the Host header, which anyone can write.
    app.router.redirect_slashes = False
    return app
