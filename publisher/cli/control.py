"""`newsletters pause | resume | cancel | resend | rate | uncertain`: control during a send."""

from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import Connection

from publisher.cli.newsletters import Slug
from publisher.cli.newsletters import group as group
from publisher.cli.opening import opened
from publisher.cli.output import Json, counted, say, say_json
from publisher.errors import NotFoundError
from publisher.store import control, subscribers, uncertain

Address = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Only the mail to this reader.")
]


@group.command()
def pause(ctx: typer.Context, slug: Slug) -> None:
    """Hold what is going out and plan nothing more; nothing of it is lost."""
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            count = control.pause(conn, slug, app.clock())
    say(
        f"{slug} is paused until `publisher newsletters resume {slug}`; "
        f"{counted(count, 'edition')} held"
    )


@group.command()
def resume(ctx: typer.Context, slug: Slug) -> None:
    """Go on with what was paused."""
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            count = control.resume(conn, slug, app.clock())
    say(f"{slug} goes on; {counted(count, 'edition')} held before")


@group.command()
def cancel(ctx: typer.Context, slug: Slug) -> None:
    """Give up what has not gone out yet, for good."""
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            count = control.cancel(conn, slug, app.clock())
    say(f"{counted(count, 'edition')} cancelled")


@group.command()
def resend(
    ctx: typer.Context,
    slug: Slug,
    edition: Annotated[
        int | None, typer.Option(metavar="ID", help="This edition; else the newest of each slot.")
    ] = None,
) -> None:
    """Send again to those who did not get it (failed, cancelled), and to nobody else."""
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            counts = control.resend(conn, slug, edition, repeats=app.newsletter(slug).repeats)
    for edition_id, count in counts.items():
        say(f"edition {edition_id}: {counted(count, 'mail')} to go again")
    if not counts:
        say("nobody is missing")


@group.command()
def rate(
    ctx: typer.Context,
    slug: Slug,
    mails: Annotated[str, typer.Argument(metavar="MAILS", help="A minute; or `none`.")],
) -> None:
    """Send so many mails a minute at most, from now on, also of what is going out."""
    if mails != "none" and not (mails.isascii() and mails.isdigit() and 0 < int(mails) < 10**6):
        raise typer.BadParameter(
            f"'{mails}' is not a number of mails a minute from 1 to 999999, nor none",
            param_hint="MAILS",
        )
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            control.set_rate(conn, slug, None if mails == "none" else int(mails))
    say(f"{slug}: {'as fast as the relays take' if mails == 'none' else mails + ' mails a minute'}")


@group.command("uncertain")
def uncertain_(
    ctx: typer.Context,
    slug: Annotated[str | None, typer.Argument(metavar="[SLUG]")] = None,
    as_json: Json = False,
) -> None:
    """Mails that may have arrived, held for your word (mail.after_crash = "hold")."""
    with opened(ctx) as app:
        if slug is not None:
            app.newsletter(slug)
        with app.db.read() as conn:
            rows = uncertain.listing(conn, slug)
    if as_json:
        say_json([asdict(each) for each in rows])
        return
    for each in rows:
        when = f"{each.first_attempt_at:%Y-%m-%d %H:%M} UTC" if each.first_attempt_at else ""
        say(f"{each.address}  {each.newsletter}, edition {each.edition_id}  {when}  {each.reply}")
    say(f"{counted(len(rows), 'mail')} uncertain")
    if rows:
        say("`publisher newsletters release SLUG` sends them again, `drop SLUG` leaves them be.")


@group.command()
def release(ctx: typer.Context, slug: Slug, address: Address = None) -> None:
    """Send what is uncertain again, byte for byte: who had got theirs gets it twice."""
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            count = uncertain.release(conn, slug, _reader(conn, address))
    say(f"{counted(count, 'mail')} to go again")


@group.command()
def drop(ctx: typer.Context, slug: Slug, address: Address = None) -> None:
    """Leave what is uncertain be: it is not sent again."""
    with opened(ctx) as app:
        app.newsletter(slug)
        with app.db.write() as conn:
            count = uncertain.drop(conn, slug, app.clock(), _reader(conn, address))
    say(f"{counted(count, 'mail')} left as they are")


def _reader(conn: Connection, address: str | None) -> int | None:
    """Raises NotFoundError for an address that is nobody's."""
    if address is None:
        return None
    reader = subscribers.find(conn, address)
    if reader is None:
        raise NotFoundError(f"there is no subscriber {address}")
    return reader.id
