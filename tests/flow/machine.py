"""Runs the daemon with a lease of seconds, so that a test can see one end: `machine.py 3.0`."""

import asyncio
import os
import sys
from datetime import timedelta

from publisher import daemon, settings
from publisher.app import App
from publisher.kit import log


def main() -> None:
    log.configure(json=True)
    daemon._RESCAN = timedelta(seconds=0.5)  # when it looks for leases that ended
    app = App(settings.load(None, os.environ))
    made = daemon.Daemon(app)
    assert made._worker is not None
    made._worker.lease = timedelta(seconds=float(sys.argv[1]))
    made._worker.longest = timedelta()
    asyncio.run(made.run())
    app.close()


main()
