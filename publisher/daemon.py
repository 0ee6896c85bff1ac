"""The daemon: takes in, publishes, plans, sends and serves by itself until it is told to stop."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from watchfiles import awatch

from publisher.app import App
from publisher.errors import ConfigurationError, PublisherError
from publisher.kit.lock import Lock, LockedError
from publisher.scheduler import Ticks, run_step
from publisher.sources.port import Source
from publisher.web.app import create_app
from publisher.web.server import Server, bind

DRAIN = 5.0  # seconds for the mails being handed over to get their answers
DEADLINE = 9.0  # seconds after which the process ends, whatever hangs
_SECOND = timedelta(seconds=1)
_RESCAN = timedelta(seconds=30)  # network mounts send no events

log = structlog.get_logger()


def run(app: App) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigurationError when it cannot begin."""
    lock = Lock(app.settings.var / "publisher.lock")
    try:
        lock.acquire()
    except LockedError as error:
        raise ConfigurationError(
            f"another publisher already runs on these data ({error}); stop it first"
        ) from error
    with lock:
        asyncio.run(Daemon(app).run())


class Daemon:
    def __init__(self, app: App) -> None:
        self._app = app
        self._stop = asyncio.Event()
        self._worker = app.worker() if app.settings.relays else None
        self._sources = [(each, threading.Lock()) for each in app.sources()]
        self._built_head = -1

    async def run(self) -> None:
        app, web = self._app, self._app.settings.web
        sockets = bind(web.host, web.port)
        app.keys  # noqa: B018 — made or refused now, not at the first mail
        app.renderer.refresh()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        server = Server(
            create_app(
                site=app.site,
                feeds=app.output.directory,
                store=app,
                keys=app.keys.all,
                clock=app.clock,
                ready=_sentence(app.trouble),
            ),
            [sockets],
        )
        serving = asyncio.create_task(server.serve())
        others = [asyncio.create_task(self._watch(*each)) for each in self._sources]
        others.append(asyncio.create_task(self._send()))
        ticks = self._ticks()
        ticks.start()
        log.info("publisher runs", url=app.site.url, port=sockets.getsockname()[1], pid=os.getpid())
        await self._stop.wait()

        log.info("publisher stops")
        _end_after(DEADLINE)
        ticks.stop()
        await self._drain(others)
        server.stop()
        await serving
        log.info("publisher has stopped")

    def _ticks(self) -> Ticks:
        ticks = Ticks()
        ticks.every(_SECOND, "publish", self._publish)
        ticks.every(_SECOND, "plan", self._plan)
        ticks.every(timedelta(seconds=5), "finish editions", self._app.finish_editions)
        ticks.every(timedelta(seconds=10), "look at templates", self._app.renderer.refresh)
        for source, lock in self._sources:
            name = f"rescan {source.name} {source.scope}"
            ticks.every(_RESCAN, name, partial(self._take, source, lock))
        return ticks

    # the steps, each called in a thread

    def _take(self, source: Source, lock: threading.Lock) -> None:
        with lock:
            tally = self._app.take_in(source)
        if tally.new or tally.revised or tally.withdrawn or tally.moved or tally.quarantined:
            log.info(
                "taken in",
                source=source.scope or source.name,
                new=tally.new,
                revised=tally.revised,
                withdrawn=tally.withdrawn,
                quarantined=tally.quarantined,
            )
        for reason in tally.reasons:
            log.warning("quarantined", reason=reason)

    def _publish(self) -> None:
        if count := self._app.make_public():
            log.info("published", articles=count)
        head = self._app.head()
        if head == self._built_head:
            return
        built = self._app.build_feeds()
        self._built_head = head
        if built.written:
            log.info("feeds written", files=built.written)

    def _plan(self) -> None:
        if count := self._app.planner.plan_due(self._app.clock()):
            log.info("edition planned", mails=count)
            if self._worker:
                self._worker.wake()

    # what goes on between ticks

    async def _watch(self, source: Source, lock: threading.Lock) -> None:
        """Take in at once what changes in a source's files."""
        name = f"watch {source.scope}"
        path = source.path
        while True:
            await run_step(name, lambda: self._take(source, lock))
            try:
                async for _ in awatch(path, step=100, debounce=400):
                    await run_step(name, lambda: self._take(source, lock))
            except (FileNotFoundError, OSError, RuntimeError) as error:
                log.warning(
                    "cannot be watched; it is looked at again", path=str(path), reason=str(error)
                )
            await asyncio.sleep(5)

    async def _send(self) -> None:
        """Send what is due, as soon as no other process does."""
        if self._worker is None:
            log.warning("no relay is configured (mail.relays): mails are planned but not sent")
            return
        lock = self._app.sender_lock
        while not lock.try_acquire():
            log.info("another process sends; this one waits for its turn")
            await asyncio.sleep(1)
        with lock:
            try:
                taken = await asyncio.to_thread(self._app.take_back)
                if taken:
                    log.warning(
                        "a sender ended in mid-flight; its mails are sent again", mails=taken
                    )
                await self._worker.run()
            except Exception:
                log.exception("the sender failed; the daemon stops so that it can be restarted")
                self._stop.set()
                raise

    async def _drain(self, others: list["asyncio.Task[None]"]) -> None:
        watches, sending = others[:-1], others[-1]
        for task in watches:
            task.cancel()
        if self._worker:
            self._worker.stop()
        _, late = await asyncio.wait([sending], timeout=DRAIN)
        if late:
            log.warning("mails without an answer are left as after a crash")
            sending.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _sentence(trouble: Callable[[], str | None]) -> Callable[[], str | None]:
    def ready() -> str | None:
        try:
            return trouble()
        except PublisherError as error:
            return str(error)

    return ready


def _end_after(seconds: float) -> None:
    """End the process even if a thread hangs in a slow disk: what it did not commit is undone."""
    timer = threading.Timer(seconds, os._exit, [0])
    timer.daemon = True
    timer.start()
