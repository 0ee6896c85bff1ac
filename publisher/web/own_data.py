"""What a reader may have and have forgotten: all that is known of them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Protocol

import structlog
from starlette.responses import Response

from publisher.core.preferences import Own
from publisher.web.forms import Fields, first
from publisher.web.pages import Pages

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Disposition": 'attachment; filename="my-data.json"',
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

log = structlog.get_logger(__name__)


class OwnDataStore(Protocol):
    """What it needs of the store; called off the event loop, from several threads."""

    def everything(self, subscriber_id: int, at: datetime) -> Mapping[str, object] | None:
        """All that the books hold of a reader, who is told of it by mail."""

    def erase(self, subscriber_id: int, at: datetime) -> bool:
        """Forgets a reader; False where they are no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData:
    """Two buttons of the reader's page."""

    pages: Pages
    store: OwnDataStore

    async def download(self, own: Own, now: datetime) -> Response:
        known = await asyncio.to_thread(self.store.everything, own.subscriber_id, now)
        written = json.dumps(known, indent=2, ensure_ascii=False, default=_plain)
        return Response(written, 200, _HEADERS, "application/json")

    async def erase(self, own: Own, fields: Fields, now: datetime) -> Response:
        """Asks once more, and then does it."""
        if first(fields, "sure") != "yes":
            return self.pages.render("erase.html", address=own.address)
        if await asyncio.to_thread(self.store.erase, own.subscriber_id, now):
            log.info("erased", subscriber=own.subscriber_id)
        return self.pages.message(
            200,
            "You are forgotten",
            "Nothing is kept that tells who you are, and no mail will come. What remains is a "
            "fingerprint by which we know, should anybody enter your address, to leave you in "
            "peace; the address cannot be read from it. You are welcome to sign up again.",
        )


def _plain(value: object) -> str:
    if isinstance(value, datetime | time):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")
