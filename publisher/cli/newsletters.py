"""`newsletters …` and `deliver`: what is planned, what it looks like, and sending it."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from publisher import trial
from publisher.app import App
from publisher.cli import forecast
from publisher.cli.opening import opened
from publisher.cli.output import Json, complain, counted, say, say_json
from publisher.core.schedule import slot_key
from publisher.delivery.worker import Totals
from publisher.errors import ConfigurationError, PermanentError
from publisher.store import control, ledger, refusals, slots, subscriptions
from publisher.store.totals import books

group = typer.Typer(
    help="Look at newsletters, try them out, plan and hold them.", no_args_is_help=True
)

_EDITIONS = 5  # of each newsletter

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The newsletter's slug.")]


@group.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """The newsletters, their readers, when each slot is due next, and the last editions."""
    with opened(ctx) as app, app.db.read() as conn:
        readers = subscriptions.counts(conn)
        due = {slug: slots.with_readers(conn, slug) for slug in app.newsletters}
        last = {slug: books(conn, slug, _EDITIONS) for slug in app.newsletters}
        rows = [
            {
                "slug": each.slug,
                "title": each.title,
                "cadences": [cadence.value for cadence in each.cadences],
                "readers": readers.get(each.slug, 0),
                "slots": [
                    {
                        "cadence": slot.time.cadence.value,
                        "zone": slot.time.zone,
                        "next_due_at": slot.next_due_at,
                    }
                    for slot in due[each.slug]
                ],
                "editions": [asdict(book) for book in last[each.slug]],
            }
            for each in app.newsletters.values()
        ]
    if as_json:
        say_json(rows)
        return
    for each in app.newsletters.values():
        cadences = ", ".join(each.cadences)
        joined = counted(readers.get(each.slug, 0), "reader")
        say(f"{each.slug}  «{each.title}»  {cadences}  {joined}")
        for slot in due[each.slug]:
            say(f"  {slot_key(slot.time)}  next due {_moment(slot.next_due_at)}")
        for book in last[each.slug]:
            mails = ", ".join(f"{count} {state}" for state, count in sorted(book.mails.items()))
            when = _moment(book.planned_at)
            say(f"  edition {book.edition} of {book.slot}, {when}, {book.state}: {mails}")


@group.command()
def preview(
    ctx: typer.Context,
    slug: Slug,
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
) -> None:
    """Write the next edition as a new reader would get it: SLUG.eml and SLUG.html."""
    with opened(ctx) as app:
        mail, html = trial.preview(app, app.newsletter(slug))
    for name, data in ((f"{slug}.eml", mail), (f"{slug}.html", html.encode())):
        try:
            (out / name).write_bytes(data)
        except OSError as error:
            raise ConfigurationError(f"{out / name} cannot be written: {error.strerror}") from error
        say(str(out / name))


@group.command()
def test(
    ctx: typer.Context,
    slug: Slug,
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
) -> None:
    """Mail the preview to one address, outside of the books."""
    with opened(ctx) as app:
        answer = asyncio.run(trial.send(app, app.newsletter(slug), address))
    accepted = answer.code is not None and 200 <= answer.code < 300
    said = f"{answer.code or ''} {answer.text or answer.kind.value}".strip()
    if not accepted:
        complain(f"not sent: {said}")
        raise typer.Exit(1)
    say(f"sent: {said}")


@group.command()
def send(
    ctx: typer.Context,
    slug: Slug,
    at_once: Annotated[
        bool, typer.Option("--now", help="For every confirmed subscription, due or not.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say who would get what; nothing is written.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Plan what is due; `publisher deliver` or the daemon sends it."""
    with opened(ctx) as app:
        app.newsletter(slug)
        now = app.clock()
        with app.db.read() as conn:
            held = slug in control.paused(conn)
        if held:
            raise PermanentError(
                f"{slug} is paused; `publisher newsletters resume {slug}` lets it go on"
            )
        if dry_run:
            forecast.tell(app, slug, now, at_once=at_once, as_json=as_json)
            return
        planner = app.planner
        count = planner.plan_now(slug, now) if at_once else planner.plan_due(now, slug)
    if as_json:
        say_json({"planned": count})
    else:
        say(f"{counted(count, 'mail')} planned")


def deliver(ctx: typer.Context, as_json: Json = False) -> None:
    """Try once every mail that is pending or deferred."""
    with opened(ctx) as app:
        if not app.settings.relays:
            _need_no_relay(app)
            totals = Totals()
        else:
            lock = app.sender_lock
            if lock.try_acquire():
                with lock:
                    totals = asyncio.run(app.deliver())
            else:
                app.hasten(app.clock())
                complain("another publisher is sending; it tries all of it now")
                totals = Totals()
        with app.db.read() as conn:
            refused = refusals.listing(conn)
    if as_json:
        say_json(
            {
                "sent": totals.sent,
                "deferred": totals.deferred,
                "failed": totals.failed,
                "unreachable": totals.unreachable,
            }
        )
    else:
        say(f"{totals.sent} sent, {totals.deferred} deferred, {totals.failed} failed")
    for each in refused:
        if each.domain:
            complain(f"{each.domain} refuses mail through {each.relay}: {each.reason}")
    if totals.unreachable:
        complain(totals.unreachable)
    if totals.failed or totals.unreachable:
        raise typer.Exit(1)


def _moment(due_at: datetime | None) -> str:
    return f"{due_at:%Y-%m-%d %H:%M} UTC" if due_at else "when an article comes out"


def _need_no_relay(app: App) -> None:
    """Raises ConfigurationError when a mail waits for one."""
    with app.db.read() as conn:
        waiting = ledger.open_count(conn)
    if waiting:
        are = "is" if waiting == 1 else "are"
        raise ConfigurationError(
            f"{counted(waiting, 'mail')} {are} pending but no relay is configured (mail.relays)"
        )
