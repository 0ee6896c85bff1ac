"""Serves a site's feeds folder as the daemon does, and nothing else: `serving.py CONFIG PORT`."""

import asyncio
import sys
from pathlib import Path

from publisher import settings
from publisher.app import App
from publisher.readerstore import ReaderStore
from publisher.web.app import create_app
from publisher.web.server import Server, bind
from publisher.webstore import WebStore


def main(config: Path, port: int) -> None:
    app = App(settings.load(config, {}))
    served = create_app(
        site=app.site,
        feeds=app.output.directory,
        store=ReaderStore(app.db, {}, app.suppression_key),
        past=WebStore(app.db),
        keys=app.keys.all,
        clock=app.clock,
        ready=lambda: None,
    )
    asyncio.run(Server(served, [bind("127.0.0.1", port)]).serve())


main(Path(sys.argv[1]), int(sys.argv[2]))
