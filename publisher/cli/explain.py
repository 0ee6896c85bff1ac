"""`explain`: a reader's story, for whoever is asked why a mail came or did not."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from publisher import story
from publisher.cli.opening import opened
from publisher.cli.output import Json, counted, say, say_json
from publisher.core.model import Cadence, DeliveryState, EditionState, SubscriptionState
from publisher.core.replies import printable_reply
from publisher.core.schedule import WEEKDAYS, slot_key
from publisher.core.text import clean_line
from publisher.store.story import Bounced, Mail, Notified

_SHOWN = 20  # mails
_TITLES = 5

_IN_WORDS = {
    DeliveryState.PENDING: "waits to be sent",
    DeliveryState.SENDING: "is being handed to a server",
    DeliveryState.SENT: "a server took it",
    DeliveryState.DEFERRED: "put off by the server or by us, to be tried again",
    DeliveryState.FAILED: "refused for good",
    DeliveryState.UNCERTAIN: "may have arrived: no answer came after it was handed over",
    DeliveryState.SUPPRESSED: "not sent: the address may not be mailed",
    DeliveryState.CANCELLED: "not sent: it was cancelled, or they had left or paused",
}

_CONSENT = {
    "given_at": "agreed at ",
    "how": "",
    "given_from": "from ",
    "agreed_to": "to ",
    "asked_at": "asked for at ",
    "asked_from": "from ",
    "asked_on": "on ",
    "ended_at": "left at ",
    "ended_by": "by ",
    "file": "from the file ",
    "source_given_at": "agreed there at ",
    "source_consent": "as noted there: ",
}


def explain(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    edition: Annotated[
        int | None, typer.Argument(metavar="[EDITION]", help="Its number: what it was to them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a reader got, did not get, and why."""
    with opened(ctx) as app:
        if edition is None:
            told = story.tell(app, address)
            keep_days = app.settings.mail.keep_days
        else:
            part = story.part(app, address, edition)
    if edition is None:
        say_json(_story_as_json(told)) if as_json else _say_story(told, keep_days)
    else:
        say_json(_part_as_json(part, edition)) if as_json else _say_part(part, edition)


def _say_story(told: story.Story, keep_days: int) -> None:
    reader, zone = told.reader, told.zone
    name = f"  {reader.name}" if reader.name else ""
    say(f"{reader.address}{name}  {reader.state}, since {story.local(reader.created_at, zone)}")
    more = [f"times are those of {zone.key}"]
    if reader.locale:
        more.append(f"language {reader.locale}")
    if reader.max_per_day is not None:
        more.append(f"at most {counted(reader.max_per_day, 'mail')} a day")
    say(f"  {', '.join(more)}")
    for each in told.subscriptions:
        _say_standing(each, zone)
    for mail in told.mails[:_SHOWN]:
        _say_mail(mail, zone, _TITLES)
    if len(told.mails) > _SHOWN:
        say(f"and {counted(len(told.mails) - _SHOWN, 'older mail')} (--json tells all)")
    if not told.mails:
        say("no mails")
    say(f"of mails that ended more than {counted(keep_days, 'day')} ago only totals are kept")
    for notice in told.notices[:_SHOWN]:
        say(f"notice to {notice.kind}, {story.local(notice.created_at, zone)}")
        say(f"  {_what_became(notice, zone)}")
    for bounced in told.bounces:
        _say_bounce(bounced, zone)


def _say_standing(each: story.Standing, zone: ZoneInfo) -> None:
    say(f"{each.newsletter}: {each.state}{_agreed(each.consent, zone)}")
    if each.slot is None or each.state is not SubscriptionState.CONFIRMED:
        return
    categories = ", ".join(each.categories) if each.categories is not None else "all categories"
    due = each.slot.next_due_at
    when = f"next due {story.local(due, zone)}" if due else "due when an article comes out"
    say(f"  {_hour(each, zone)}; {categories}; {when}")
    if each.paused_until:
        say(f"  paused until {story.local(each.paused_until, zone)}")
    wait = "waits" if len(each.waiting) == 1 else "wait"
    say(f"  {counted(len(each.waiting), 'article')} {wait}{_named(each.waiting, _TITLES)}")
    if each.corrections:
        say(f"  with {_corrections(each.corrections)}")


def _agreed(consent: Any, zone: ZoneInfo) -> str:  # Any: as it was noted
    """`; agreed at 2026-11-02 10:00, added by an operator`: whatever was noted, times local."""
    noted = [
        f"{_CONSENT.get(key, f'{key} ')}{_noted(value, zone)}" for key, value in consent.items()
    ]
    return f"; {', '.join(noted)}" if noted else ""


def _noted(value: object, zone: ZoneInfo) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return clean_line(str(value))
    return story.local(moment, zone) if moment.tzinfo else str(value)


def _hour(each: story.Standing, zone: ZoneInfo) -> str:
    """`daily at 07:00`, in the reader's zone if the slot has another."""
    assert each.slot is not None
    time, due = each.slot.time, each.slot.next_due_at
    if time.cadence is Cadence.IMMEDIATE:
        return "at once"
    weekday, at, chosen = WEEKDAYS[time.weekday], f"{time.at:%H:%M}", ""
    if time.zone != zone.key and due is not None:
        here = due.astimezone(zone)
        chosen = f" ({at} {time.zone})"
        weekday, at = WEEKDAYS[here.weekday()], f"{here:%H:%M}"
    return (
        f"{time.cadence} {f'{weekday} ' if time.cadence is Cadence.WEEKLY else ''}at {at}{chosen}"
    )


def _say_mail(mail: Mail, zone: ZoneInfo, titles: int) -> None:
    say(
        f"edition {mail.edition} of {mail.newsletter}, planned "
        f"{story.local(mail.planned_at, zone)}: {counted(len(mail.titles), 'article')}"
        f"{_named(mail.titles, titles)}"
    )
    if mail.corrections:
        say(f"  with {_corrections(mail.corrections)}")
    open_ = mail.state in (DeliveryState.PENDING, DeliveryState.DEFERRED)
    held = open_ and mail.edition_state is EditionState.PAUSED
    say(f"  {_what_became(mail, zone, *(['the edition is held'] if held else []))}")


def _what_became(mail: Mail | Notified, zone: ZoneInfo, *more: str) -> str:
    words = [_IN_WORDS[mail.state], *more]
    if mail.state is DeliveryState.DEFERRED and mail.next_attempt_at:
        words.append(f"next {story.local(mail.next_attempt_at, zone)}")
    if mail.attempts:
        words.append(counted(mail.attempts, "attempt"))
    if mail.answered_at:
        words.append(story.local(mail.answered_at, zone))
    if mail.relay:
        words.append(f"relay {mail.relay}")
    answer = f"{mail.smtp_status or ''} {mail.reply}".strip()
    return f"{', '.join(words)}{f': {answer}' if answer else ''}"


def _say_bounce(bounced: Bounced, zone: ZoneInfo) -> None:
    of = f" of edition {bounced.edition}" if bounced.edition else ""
    said = f"{bounced.status} {printable_reply(bounced.diagnostic)}".strip()
    say(f"bounce{of}, {story.local(bounced.received_at, zone)}: {bounced.kind} {said}".rstrip())


def _say_part(part: story.Part, edition: int) -> None:
    about, zone = part.edition, part.zone
    say(
        f"edition {edition}: {about.slot}, planned {story.local(about.planned_at, zone)}, "
        f"{about.state} (times are those of {zone.key})"
    )
    if part.mail:
        _say_mail(part.mail, zone, len(part.mail.titles))
    else:
        say(f"no mail of it for {part.reader.address}: {part.sentence}")


def _corrections(titles: Any) -> str:
    return f"{counted(len(titles), 'correction')}{_named(titles, _TITLES)}"


def _named(titles: Any, shown: int) -> str:
    named = ", ".join(f"«{title}»" for title in titles[:shown])
    more = f" and {len(titles) - shown} more" if len(titles) > shown else ""
    return f": {named}{more}" if named else ""


def _story_as_json(told: story.Story) -> dict[str, Any]:  # Any: for `say_json`
    return {
        **asdict(told.reader),
        "zone": told.zone.key,
        "subscriptions": [
            {
                **{key: value for key, value in asdict(each).items() if key != "slot"},
                "slot": slot_key(each.slot.time) if each.slot else None,
                "next_due_at": each.slot.next_due_at if each.slot else None,
            }
            for each in told.subscriptions
        ],
        "mails": [_mail_as_json(each) for each in told.mails],
        "notices": [_mail_as_json(each) for each in told.notices],
        "bounces": [
            {**asdict(each), "diagnostic": printable_reply(each.diagnostic)}
            for each in told.bounces
        ],
    }


def _mail_as_json(mail: Mail | Notified) -> dict[str, Any]:
    return {**asdict(mail), "meaning": _IN_WORDS[mail.state]}


def _part_as_json(part: story.Part, edition: int) -> dict[str, Any]:
    about = part.edition
    return {
        "address": part.reader.address,
        "zone": part.zone.key,
        "edition": edition,
        "newsletter": about.newsletter,
        "slot": about.slot,
        "planned_at": about.planned_at,
        "state": about.state,
        "totals_only": about.totals_only,
        "mail": _mail_as_json(part.mail) if part.mail else None,
        "why_not": {**asdict(part.why_not), "told": part.sentence} if part.why_not else None,
    }
