"""`ingest`, `publish` and `articles …`: what comes in, and what becomes public."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from publisher.cli.opening import opened
from publisher.cli.output import Json, complain, counted, say, say_json, shown_progress
from publisher.core.intake import LONGEST_NOTE
from publisher.core.text import clean_text
from publisher.errors import NotFoundError, UnreadableError
from publisher.settings import Kind
from publisher.sources.keeping import Tally
from publisher.store import articles as store
from publisher.store import shelf

group = typer.Typer(
    help="Look at articles, withdraw them, retry what was quarantined.", no_args_is_help=True
)


def ingest(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files or folders.")],
    category: Annotated[str, typer.Option(help="For articles that name none.")] = "",
    kind: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(get_args(Kind))} [default: told from the file]."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in articles; nothing becomes public yet."""
    if kind not in (None, *get_args(Kind)):
        raise typer.BadParameter(
            f"'{kind}' is none of {', '.join(get_args(Kind))}", param_hint="--kind"
        )
    total = Tally()
    unread = 0
    with opened(ctx) as app, shown_progress() as progress:
        for path in paths:
            try:
                source = app.source_at(
                    Path(path).absolute(),
                    kind=cast("Kind | None", kind),
                    category=category,
                    progress=progress,
                )
                total.add(app.take_in(source))
            except UnreadableError as error:
                complain(error.reason)
                unread += 1
    if as_json:
        say_json(asdict(total))
    else:
        _say_tally(total)
    if unread:
        raise typer.Exit(1)


def publish(ctx: typer.Context, as_json: Json = False) -> None:
    """Make public what is due and write the feeds that changed."""
    with opened(ctx) as app:
        published = app.publish()
    built = published.built
    if as_json:
        say_json(asdict(published))
    else:
        feeds, files = counted(built.feeds, "feed"), counted(built.written, "file")
        say(f"{published.articles} made public, {feeds}, {files} written")
    for category, sentence in built.problems:
        complain(f"{category}: {sentence}")
    if built.problems:
        raise typer.Exit(1)


@group.command("list")
def list_(
    ctx: typer.Context,
    category: Annotated[str | None, typer.Option(help="Only this one's (its slug).")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 20,
    as_json: Json = False,
) -> None:
    """The newest public articles."""
    with opened(ctx) as app, app.db.read() as conn:
        found = shelf.newest(conn, category, limit)
    if as_json:
        say_json([asdict(each) for each in found])
        return
    for each in found:
        say(f"{each.seq:>6}  {each.published_at:%Y-%m-%d %H:%M}  {each.title}")
        say(f"        {each.id}  [{', '.join(each.categories)}]")


@group.command()
def show(
    ctx: typer.Context,
    article_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: Json = False,
) -> None:
    """Everything that is known of one article."""
    with opened(ctx) as app, app.db.read() as conn:
        found = shelf.by_ids(conn, [article_id]).get(article_id)
    if found is None:
        raise NotFoundError(f"there is no article {article_id}")
    if as_json:
        say_json(asdict(found))
        return
    for name, value in asdict(found).items():
        if value not in (None, "", [], ()):
            say(f"{name:>14}  {value}")


@group.command()
def withdraw(
    ctx: typer.Context,
    article_id: Annotated[str, typer.Argument(metavar="ID")],
    note: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What was wrong: told in their next digest to those who were mailed the article.",
        ),
    ] = None,
) -> None:
    """Take an article back: from feeds and pages at the next publish, from unsent mails at once."""
    corrections = {} if note is None else {article_id: _checked(note)}
    with opened(ctx) as app, app.db.write() as conn:
        store.withdraw(conn, [article_id], by="operator", now=app.clock(), corrections=corrections)
    say(f"withdrawn: {article_id}")


@group.command()
def retry(ctx: typer.Context, as_json: Json = False) -> None:
    """Read again every document that had something in quarantine."""
    with opened(ctx) as app:
        total = app.retry()
    if as_json:
        say_json(asdict(total))
    else:
        _say_tally(total)


def _checked(note: str) -> str:
    """The note as it is kept. Raises typer.BadParameter for one that mails could not show."""
    said = clean_text(note)
    if not said:
        raise typer.BadParameter("it says nothing", param_hint="--note")
    if len(said) > LONGEST_NOTE:
        raise typer.BadParameter(
            f"it has {len(said):,} characters, and mails show {LONGEST_NOTE}", param_hint="--note"
        )
    return said


def _say_tally(tally: Tally) -> None:
    more = {"withdrawn": tally.withdrawn, "moved": tally.moved}
    say(
        f"{tally.new} new, {tally.revised} revised, {tally.same} same, "
        f"{tally.quarantined} quarantined, {tally.skipped} skipped"
        + "".join(f", {count} {name}" for name, count in more.items() if count)
    )
    for reason in tally.reasons:
        complain(f"quarantined: {reason}")
