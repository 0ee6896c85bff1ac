"""Signing up by `POST /api/subscribers`, for an operator's own programs: JSON in, JSON out."""

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from publisher.core.headers import one_line
from publisher.core.model import Newsletter
from publisher.core.signup import SignUp
from publisher.errors import PermanentError
from publisher.web import signup_input
from publisher.web.forms import Fields, client_of, read_body
from publisher.web.limits import Limits
from publisher.web.signup import SignUpStore
from publisher.web.signup_input import Offer, WrongFieldError

_MOST_BYTES = 64 * 1024
_TEXTS = ("email", "name", "cadence", "at", "weekday", "zone", "locale")
_LISTS = {"newsletter": "newsletter", "categories": "category"}
_NAMES = {field: name for name, field in _LISTS.items()}
_CONFIRMED = "confirmed"

log = structlog.get_logger(__name__)


class ApiStore(SignUpStore, Protocol):
    def add(self, agreed: SignUp, at: datetime) -> None:
        """Subscribes at once one who agreed elsewhere, by the operator's word."""


class SubscribersApi:
    """The endpoint `/api/subscribers`; without a token nothing is there."""

    def __init__(
        self,
        token: str,
        newsletters: Mapping[str, Newsletter],
        store: ApiStore,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._token = token
        self._newsletters = newsletters
        self._store = store
        self._limits = limits
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        if not self._is_allowed(request):
            if wait := self._limits.wait_of_client(client_of(request)):
                return _too_often(wait)
            refusal = _error(401, "the token is missing or wrong (Authorization: Bearer …)")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        try:
            body = await read_body(request, _MOST_BYTES)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return _error(413, f"the body has more than {_MOST_BYTES} bytes")
        try:
            return await self._take(request, body)
        except WrongFieldError as error:
            name = _NAMES.get(error.name, error.name)
            return _error(400, f"{name}: {error}" if name else str(error))

    async def _take(self, request: Request, body: bytes) -> Response:
        """Raises WrongFieldError."""
        fields, is_confirmed = _read(body)
        domain = signup_input.address_of(fields).rpartition("@")[2]
        if not is_confirmed and (wait := self._limits.wait_of_domain(domain)):
            return _too_often(wait)
        now = self._clock()
        consent = (
            {"given_at": now.isoformat(), "how": "added by the API"}
            if is_confirmed
            else {"asked_from": client_of(request), "asked_on": "the API"}
        )
        categories = await asyncio.to_thread(self._store.categories)
        offer = Offer(newsletters=self._newsletters, categories=categories)
        wanted = signup_input.read(fields, offer, consent)
        if is_confirmed:
            try:
                await asyncio.to_thread(self._store.add, wanted, now)
            except PermanentError as error:
                return _error(409, str(error))
            return _json(201, {"status": "subscribed"})
        await asyncio.to_thread(self._store.ask, wanted, now)
        return _json(202, {"status": "asked to confirm"})

    def _is_allowed(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), self._token.encode())
        return scheme.lower() == "bearer" and is_right


def _read(body: bytes) -> tuple[Fields, bool]:
    """The fields as a form would send them, and whether their reader has agreed elsewhere."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise WrongFieldError("", "the body is not JSON") from None
    if not isinstance(said, dict):
        raise WrongFieldError("", "the body is not a JSON object")
    fields: dict[str, list[str]] = {}
    is_confirmed = False
    for name, value in said.items():
        if value is None:
            continue
        if name == _CONFIRMED:
            if not isinstance(value, bool):
                raise WrongFieldError(name, "is neither true nor false")
            is_confirmed = value
        elif name in _TEXTS:
            if not isinstance(value, str):
                raise WrongFieldError(name, "is not text in quotes")
            fields[name] = [value]
        elif name in _LISTS:
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
                raise WrongFieldError(name, "is neither text nor a list of texts")
            fields[_LISTS[name]] = values
        else:
            known = ", ".join((*_TEXTS, *_LISTS, _CONFIRMED))
            raise WrongFieldError(
                "", f"there is no field '{one_line(name, 80)}'; known are {known}"
            )
    return fields, is_confirmed


def _too_often(seconds: int) -> Response:
    response = _error(429, "too many sign-ups came from this client, or for this mail domain")
    response.headers["Retry-After"] = str(seconds)
    return response


def _error(status: int, sentence: str) -> Response:
    return _json(status, {"error": sentence})


def _json(status: int, said: Mapping[str, str]) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return JSONResponse(said, status, headers)
