"""`subscribers …`: who gets what, kept by the operator."""

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from publisher.cli import subscriber_files
from publisher.cli.opening import opened
from publisher.cli.output import Json, complain, say, say_json
from publisher.core import checks
from publisher.core.model import EVERYTHING, MAILABLE_STATES
from publisher.core.text import clean_line
from publisher.core.wishes import Wishes
from publisher.errors import NotFoundError
from publisher.readerstore import ReaderStore
from publisher.store import shelf, subscribers, subscriptions, suppressions

group = typer.Typer(help="Add readers, change what they get, let them go.", no_args_is_help=True)
group.command("import")(subscriber_files.import_)
group.command()(subscriber_files.export)

T = TypeVar("T")
Address = Annotated[str, typer.Argument(metavar="ADDRESS")]
NewsletterOption = Annotated[str, typer.Option("--newsletter", metavar="SLUG")]


@group.command()
def add(
    ctx: typer.Context,
    address: Address,
    newsletter: NewsletterOption,
    name: Annotated[str, typer.Option()] = "",
    categories: Annotated[
        str | None, typer.Option(help="Slugs with commas between them; * for all.")
    ] = None,
    cadence: Annotated[str | None, typer.Option(metavar="daily|weekly|immediate")] = None,
    at: Annotated[str | None, typer.Option(metavar="HH:MM")] = None,
    weekday: Annotated[str | None, typer.Option(metavar="mon…sun")] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Like Europe/Berlin.")] = None,
    locale: Annotated[str, typer.Option(metavar="TAG", help="Language of the mails.")] = "",
    since: Annotated[
        str | None, typer.Option(metavar="14d", help="Give articles published since, too.")
    ] = None,
) -> None:
    """Add a reader who agreed elsewhere, or change the choice of one who is there."""
    chosen = [each.strip() for each in categories.split(",")] if categories else None
    wishes = Wishes(
        categories=tuple(filter(None, chosen)) if chosen else None,
        cadence=_checked(checks.cadence, cadence, "--cadence"),
        at=_checked(checks.time_of_day, at, "--at"),
        weekday=_checked(checks.weekday, weekday, "--weekday"),
        zone=_checked(checks.zone, zone, "--zone"),
    )
    age = _checked(_days, since, "--since")
    language = _checked(checks.language, locale or None, "--locale")
    with opened(ctx) as app:
        to = app.newsletter(newsletter)
        now = app.clock()
        consent = {"given_at": now.isoformat(), "how": "added by an operator"}
        with app.db.write() as conn:
            suppressions.refuse_erased(conn, address, app.suppression_key)
            reader = subscribers.ensure(
                conn,
                address,
                name=clean_line(name),
                zone=wishes.zone or "",
                locale=language or "",
                now=now,
            )
            is_new = subscriptions.subscribe(
                conn,
                reader.id,
                to,
                wishes,
                consent=consent,
                now=now,
                since=now - timedelta(days=age) if age is not None else None,
            )
            found = subscriptions.find(conn, reader.id, to.slug)
            there = {each.slug for each in shelf.categories(conn)} | {EVERYTHING}
    for slug in wishes.categories or ():
        if slug not in there:
            complain(f"note: there is no category '{slug}' yet")
    if reader.state not in MAILABLE_STATES:
        why = f"`publisher explain {reader.address}` tells why"
        complain(f"note: {reader.address} is suppressed and gets no mail; {why}")
    slot = found.slot if found else ""
    say(f"{'added' if is_new else 'changed'}: {reader.address} gets {slot}")


@group.command()
def show(ctx: typer.Context, address: Address, as_json: Json = False) -> None:
    """What is known of a reader."""
    with opened(ctx) as app, app.db.read() as conn:
        reader = subscribers.find(conn, address)
        if reader is None:
            raise NotFoundError(f"there is no subscriber {address}")
        theirs = subscriptions.of_reader(conn, reader.id)
    if as_json:
        say_json({**asdict(reader), "subscriptions": [asdict(each) for each in theirs]})
        return
    say(f"{reader.address}  {reader.name}  {reader.state}")
    for each in theirs:
        categories = ", ".join(each.categories) if each.categories else "all of it"
        say(f"  {each.newsletter}: {each.state}, {each.slot}, {categories}")


@group.command()
def unsubscribe(ctx: typer.Context, address: Address, newsletter: NewsletterOption) -> None:
    """End a subscription; what was not sent yet is cancelled."""
    with opened(ctx) as app:
        with app.db.read() as conn:
            reader = subscribers.find(conn, address)
            found = reader and subscriptions.find(conn, reader.id, newsletter)
        if not found:
            raise NotFoundError(f"{address} does not get '{newsletter}'")
        readers = ReaderStore(app.db, app.newsletters, app.suppression_key)
        ended = readers.leave(found.id, by="operator", at=app.clock())
    say(f"{'unsubscribed' if ended else 'had left before'}: {address} from {newsletter}")


@group.command()
def erase(ctx: typer.Context, address: Address) -> None:
    """Forget a reader for good; only a keyed hash of the address stays, against imports."""
    with opened(ctx) as app:
        with app.db.read() as conn:
            reader = subscribers.find(conn, address)
        if reader is None:
            raise NotFoundError(f"there is no subscriber {address}")
        ReaderStore(app.db, app.newsletters, app.suppression_key).erase(reader.id, app.clock())
    say(f"erased: {address}")


def _days(value: str) -> int:
    found = re.fullmatch(r"(\d{1,5})d", value)
    if found is None:
        raise ValueError(f"'{value}' is not a number of days like 14d")
    return int(found[1])


def _checked(check: Callable[[str], T], value: str | None, option: str) -> T | None:
    if value is None:
        return None
    try:
        return check(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
