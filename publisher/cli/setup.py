"""`init`, `status`, `check` and `db …`: setting up, and seeing that all is well."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from publisher.checkup import checks
from publisher.cli.opening import load_settings, opened
from publisher.cli.output import Json, complain, counted, say, say_json, shown_progress
from publisher.core.links import feeds_url
from publisher.errors import ConfigurationError, PublisherError
from publisher.feeds.inspection import inspect
from publisher.kit import resources
from publisher.settings import Settings
from publisher.store import schema, transfer
from publisher.store import status as store_status
from publisher.store.engine import Database

database = typer.Typer(help="The database.", no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path(),
) -> None:
    """Write a working configuration into a folder (this one unless named)."""
    target = folder / "config" / "publisher.toml"
    sample = (resources.folder("config") / "publisher.toml").read_text(encoding="utf-8")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "articles").mkdir(exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(sample)
    except FileExistsError as error:
        raise ConfigurationError(f"{target} is there already; nothing was changed") from error
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or target} cannot be written: {error.strerror}"
        ) from error
    say(f"wrote {target}")
    say(f"Put articles (Markdown or HTML) into {folder / 'articles'} and start `publisher run`.")


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Counts, what is due next, what waits, and what was quarantined."""
    with opened(ctx) as app, app.db.read() as conn:
        now = store_status.read(conn)
    if as_json:
        say_json(asdict(now))
        return
    categories = f"{now.feeds} {'category' if now.feeds == 1 else 'categories'}"
    say(f"articles       {now.articles} public in {categories}")
    if now.embargo_ends:
        say(f"next to come   {now.embargo_ends:%Y-%m-%d %H:%M} UTC")
    for newsletter, count in now.subscriptions.items():
        say(f"readers        {count} of {newsletter}")
    for slot in now.next_due:
        say(f"next due       {slot.time.newsletter} {slot.next_due_at:%Y-%m-%d %H:%M} UTC")
    say(f"mails          {_states(now.deliveries) or 'none yet'}; {now.backlog} to go")
    if now.notices:
        say(f"notices        {_states(now.notices)}")
    if now.uncertain:
        say(f"uncertain      {now.uncertain}: `publisher newsletters uncertain` names them")
    for slug, reason in now.paused.items():
        say(f"paused         {slug}{': ' if reason else ''}{reason}")
    for each in now.refusals:
        who = f"{each.domain} through {each.relay}" if each.domain else each.relay
        say(f"refused        by {who} until {each.until:%Y-%m-%d %H:%M} UTC: {each.reason}")
    for hub in now.hubs:
        told = [f"{counted(hub.waiting, 'feed')} to be told of"] if hub.waiting else []
        if hub.next_attempt_at:
            told += [f"next at {hub.next_attempt_at:%Y-%m-%d %H:%M} UTC"]
        told += [f"{hub.given_up} given up until they change"] if hub.given_up else []
        say(f"hub            {hub.hub}: {', '.join(told)}{': ' if hub.reply else ''}{hub.reply}")
    say(f"quarantine     {now.quarantined or 'nothing'}")
    for one in now.quarantine:
        item = f" ({one.item})" if one.item else ""
        say(f"  {one.document}{item}: {one.reason}")


def _states(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def check(
    ctx: typer.Context,
    feeds: Annotated[
        bool,
        typer.Option("--feeds", help="Look at the feeds instead, as they reach their readers."),
    ] = False,
) -> None:
    """Look whether everything that is configured works: files, database, templates, relays.

    With --feeds: ask for every feed at its public address, as a strict reader would, and say what
    is wrong with the answers, and which ids or dates changed since the last look.
    """
    if feeds:
        _check_feeds(load_settings(ctx))
        return
    problems = 0
    with opened(ctx) as app:
        for name, look in checks(app):
            try:
                say(f"ok    {name}: {look()}")
            except PublisherError as error:
                problems += 1
                complain(f"{name}: {error}")
    if problems:
        raise typer.Exit(1)


def _check_feeds(settings: Settings) -> None:
    site = settings.site_facts()
    with shown_progress() as progress:
        done = inspect(site, settings.var / "feeds-seen.json", progress)
    wrong = 0
    for addresses, finding in done.findings:
        more = f" (and {len(addresses) - 1} more)" if len(addresses) > 1 else ""
        line = f"{addresses[0]}{more}: {finding.sentence}"
        if finding.hint:
            say(f"hint  {line}")
        else:
            wrong += 1
            complain(line)
    if wrong:
        raise typer.Exit(1)
    say(f"ok    feeds: {done.feeds} addresses under {feeds_url(site)}")


@database.command()
def upgrade(ctx: typer.Context) -> None:
    """Bring the database to the shape of this version."""
    db = Database(load_settings(ctx).database_url())
    say("upgraded" if schema.upgrade(db) else "nothing to do")
    db.close()


@database.command("copy")
def copy_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
) -> None:
    """Carry everything from an SQLite file to the database that is configured, a new one."""
    with (
        closing(Database(f"sqlite:///{file.absolute()}")) as source,
        closing(Database(load_settings(ctx).database_url())) as target,
    ):
        for each in (source, target):
            schema.prepare(each)
        count = transfer.copy(source, target)
    say(f"{counted(count, 'row')} copied")
