"""`run`: the daemon."""

import typer

from publisher import daemon
from publisher.cli.opening import opened


def run(ctx: typer.Context) -> None:
    """Take in, publish, send and serve until told to stop (SIGTERM or Ctrl-C)."""
    with opened(ctx) as app:
        daemon.run(app)
