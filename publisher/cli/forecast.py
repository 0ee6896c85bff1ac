"""`newsletters send --dry-run`: who would get what, as lines or as JSON written as it is read."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from publisher.app import App
from publisher.cli.output import Streamed, counted, say, say_json
from publisher.core.planning import LeftOut
from publisher.core.schedule import slot_key
from publisher.newsletters.forecast import Forecast, Group
from publisher.store import shelf, subscribers, subscriptions

_ADDRESSES = 5  # of a group, where people read
_TITLES = 10
_PAGE = 1000  # addresses asked for at once


def tell(app: App, newsletter: str, now: datetime, *, at_once: bool, as_json: bool) -> None:
    """Raises TransientError while an edition is still being planned."""
    ask = app.forecaster.at_once if at_once else app.forecaster.due
    editions = (each for each in ask(now, newsletter) if each.groups or each.left_out)
    if as_json:
        found = Streamed(_as_json(app, each) for each in editions)
        say_json({"newsletter": newsletter, "editions": found})
        return
    mails = 0
    looked_at = 0
    for each in editions:
        _say(app, each)
        mails += each.readers
        looked_at += each.readers + sum(
            count
            for reason, count in each.left_out.items()
            if reason not in (LeftOut.UNSUBSCRIBED, LeftOut.NOT_CONFIRMED)
        )
    with app.db.read() as conn:
        confirmed = subscriptions.counts(conn).get(newsletter, 0)
    say(f"{counted(mails, 'mail')} would be planned; nothing was written")
    if not_due := confirmed - looked_at:
        say(f"not due yet: {counted(not_due, 'reader')} (--now looks at them too)")


def _say(app: App, forecast: Forecast) -> None:
    say(f"{slot_key(forecast.slot.time)}: {counted(forecast.readers, 'mail')}")
    for group in forecast.groups:
        titles = _titles(app, group.content.article_ids)
        count = len(group.subscriber_ids)
        language = f" in {group.content.locale}" if group.content.locale else ""
        what = f"{'gets' if count == 1 else 'get'} {counted(len(titles), 'article')}{language}"
        say(f"  {counted(count, 'reader')} {what}")
        for title in titles[:_TITLES]:
            say(f"    «{title}»")
        if len(titles) > _TITLES:
            say(f"    and {len(titles) - _TITLES} more")
        for title in _titles(app, group.content.correction_ids):
            say(f"    correction of «{title}»")
        more = f" and {count - _ADDRESSES} more" if count > _ADDRESSES else ""
        say(f"    to {', '.join(islice(_addresses(app, group), _ADDRESSES))}{more}")
    if forecast.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in forecast.left_out.items())
        say(f"  left out: {reasons}")


def _as_json(app: App, forecast: Forecast) -> dict[str, Any]:  # Any: for `say_json`
    return {
        "slot": slot_key(forecast.slot.time),
        "readers": forecast.readers,
        "groups": Streamed(_group(app, each) for each in forecast.groups),
        "left_out": {reason.value: count for reason, count in forecast.left_out.items()},
    }


def _group(app: App, group: Group) -> dict[str, Any]:
    content = group.content
    return {
        "readers": len(group.subscriber_ids),
        "locale": content.locale,
        "articles": _named(app, content.article_ids),
        "corrections": _named(app, content.correction_ids),
        "addresses": Streamed(_addresses(app, group)),
    }


def _named(app: App, ids: Sequence[str]) -> list[dict[str, str]]:
    titles = _titles(app, ids)
    return [{"id": id_, "title": title} for id_, title in zip(ids, titles, strict=True)]


def _titles(app: App, ids: Sequence[str]) -> list[str]:
    with app.db.read() as conn:
        found = shelf.titles(conn, ids)
    return [found[article_id] for article_id in ids]


def _addresses(app: App, group: Group) -> Iterator[str]:
    """A page at a time: a reader's pace must not hold a snapshot of the database open."""
    ids = iter(group.subscriber_ids)
    while page := list(islice(ids, _PAGE)):
        with app.db.read() as conn:
            found = subscribers.addresses(conn, page)
        yield from found
