"""Opens the app for a command: its settings, its log, its database."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from publisher import settings
from publisher.app import App
from publisher.kit import log


@dataclass(frozen=True, slots=True)
class Context:
    config: str | None
    environ: Mapping[str, str]


def load_settings(ctx: typer.Context) -> settings.Settings:
    """Raises ConfigurationError with the key or path that is wrong."""
    log.configure(json=not sys.stderr.isatty())
    given: Context = ctx.obj
    return settings.load(Path(given.config) if given.config else None, given.environ)


@contextmanager
def opened(ctx: typer.Context) -> Iterator[App]:
    app = App(load_settings(ctx))
    try:
        yield app
    finally:
        app.close()
