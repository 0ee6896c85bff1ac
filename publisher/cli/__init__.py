"""The command line: each command parses, calls the app, and prints what came of it."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from publisher import __version__
from publisher.cli import articles, control, daemon, demo, explain, newsletters, setup, subscribers
from publisher.cli.opening import Context
from publisher.cli.output import complain
from publisher.errors import PublisherError

cli = typer.Typer(
    name="publisher",
    help="Feeds and mailed digests from the articles of a news site.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command()(setup.init)
cli.command()(demo.demo)
cli.command()(daemon.run)
cli.command()(articles.ingest)
cli.command()(articles.publish)
cli.add_typer(articles.group, name="articles")
cli.add_typer(control.group, name="newsletters")
cli.command()(newsletters.deliver)
cli.add_typer(subscribers.group, name="subscribers")
cli.command()(explain.explain)
cli.command()(setup.status)
cli.command()(setup.check)
cli.add_typer(setup.database, name="db")

_INTERRUPTED = 130  # what typer returns after Ctrl-C, as shells do


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"publisher {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="PATH",
            help="The configuration, else $PUBLISHER_CONFIG, else config/publisher.toml.",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None:
    ctx.obj = Context(config=config, environ=dict(os.environ))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, with one sentence instead of a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = cli(_config_first(given), standalone_mode=False)
        sys.stdout.flush()
    except PublisherError as error:
        complain(str(error))
        return 1
    except typer.TyperException as error:
        if sentence := error.format_message():  # it is empty when help was asked for and shown
            complain(f"{sentence.rstrip('.')} (--help tells what there is)")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough (`publisher … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as end:
        # typer ends so when the pipe broke in the middle of a command.
        return 0 if isinstance(end.__context__, BrokenPipeError) else int(end.code or 0)
    if status == _INTERRUPTED:
        complain("stopped by Ctrl-C; what was done until then stays")
    return status if isinstance(status, int) else 0


def _config_first(arguments: list[str]) -> list[str]:
    """`--config` may stand anywhere on the line; click wants it before the command."""
    for index, each in enumerate(arguments):
        if each == "--":
            break
        if each == "--config":
            rest = arguments[:index] + arguments[index + 2 :]
            path = arguments[index + 1 : index + 2]
            return [each, *path, *rest] if path else [each]
        if each.startswith("--config="):
            return [each, *arguments[:index], *arguments[index + 1 :]]
    return arguments
