"""Looks whether what is configured works on this machine: what `publisher check` asks for."""

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import partial

from publisher import trial
from publisher.app import App
from publisher.core.notice import NoticeKind
from publisher.core.relay import Relay
from publisher.delivery.connection import Connection
from publisher.errors import ConfigurationError, NotFoundError, PermanentError
from publisher.kit.fetch import fetch
from publisher.kit.translations import LANGUAGES


def checks(app: App) -> Iterator[tuple[str, Callable[[], str]]]:
    """What to look at, and how: each look says what it found or raises a PublisherError."""
    yield "database", lambda: f"{app.db.name}, at change {app.head()}"
    yield "feeds", partial(_feeds, app)
    yield "signing key", partial(_keys, app)
    for source in app.settings.sources:
        yield f"source {source.path}", partial(_source, app, source.path)
    for hub in app.settings.feeds.hubs:
        yield f"hub {hub}", partial(_hub, hub)
    for each in app.newsletters.values():
        yield f"newsletter {each.slug}", partial(_newsletter, app, each.slug)
    if app.newsletters:
        for kind in NoticeKind:
            yield f"notice {kind}", partial(_notice, app, kind)
    for relay in app.settings.relays:
        yield f"relay {relay.name}", partial(asyncio.run, _relay(app, relay))
    if app.newsletters and not app.settings.relays:
        yield "relays", _no_relay


def _feeds(app: App) -> str:
    folder = app.output.directory
    place = next(each for each in (folder, *folder.parents) if each.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ConfigurationError(f"feeds.directory: {place} cannot be written to")
    return str(folder)


def _keys(app: App) -> str:
    if lost := app.lost_keys():
        raise ConfigurationError(
            f"var/secret.key: keys {', '.join(lost)} are gone, so unsubscribe links in mails "
            "already sent do not work; put the former lines back"
        )
    return f"{len(app.keys.all)} known, {app.keys.current[0]} in use"


def _source(app: App, path: str) -> str:
    found = app.settings.path(path)
    if not os.access(found, os.R_OK):
        raise ConfigurationError(f"{found} cannot be read")
    return str(found)


def _hub(url: str) -> str:
    fetch(url, method="HEAD")  # what it answers to that tells nothing of pings
    return "answers"


def _newsletter(app: App, slug: str) -> str:
    try:
        mail, _ = trial.preview(app, app.newsletters[slug])
    except NotFoundError as error:
        return f"its mail cannot be tried yet: {error}"
    return f"its mail has {len(mail):,} bytes"


def _notice(app: App, kind: NoticeKind) -> str:
    for language in sorted(LANGUAGES):
        try:
            trial.notice(app, kind, language)
        except PermanentError as error:
            raise PermanentError(f"in language {language}: {error}") from error
    return f"can be made in {len(LANGUAGES)} languages"


async def _relay(app: App, relay: Relay) -> str:
    connection = Connection(relay, hostname=app.post.hostname)
    await connection.open()
    await connection.close()
    return "takes our connection"


def _no_relay() -> str:
    raise ConfigurationError("mail.relays: none is configured, so no mail can be sent")
