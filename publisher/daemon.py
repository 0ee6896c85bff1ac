"""The daemon: takes in, publishes, plans, sends and serves by itself until it is told to stop."""

import asyncio
import os
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from publisher.app import App
from publisher.errors import ConfigurationError, TransientError
from publisher.kit import watch
from publisher.kit.lock import Lock, LockedError
from publisher.kit.shortage import LoopFaults
from publisher.readerstore import ReaderStore
from publisher.scheduler import Step, Ticks
from publisher.sources.port import Source
from publisher.web.app import Subscribing, create_app
from publisher.web.server import Server, bind
from publisher.webstore import Editions, Readiness, WebStore

DRAIN = 5.0  # seconds for the mails being handed over to get their answers
DEADLINE = 9.0  # seconds after which the process ends, whatever hangs
_SECOND = timedelta(seconds=1)
_RESCAN = timedelta(seconds=30)  # network mounts send no events
_CATCH_UP = 60.0  # seconds that mails wait at the start for what came while the program was off

log = structlog.get_logger()


def run(app: App) -> None:
    """Run until SIGTERM or SIGINT.

    Raises ConfigurationError when it cannot begin, TransientError when it cannot go on.
    """
    _allow_many_files()
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
        app.db.wait_for_it()
        self._stop = asyncio.Event()
        self._worker = app.worker() if app.settings.relays else None
        self._sources = {
            each.path: Step(f"take in {each.path}", partial(self._take, each))
            for each in app.sources()
        }
        self._publishing = Step("publish", self._publish)
        self._taking_back = Step("take back", self._take_back)
        hubs = app.settings.feeds.hubs
        # A thread for each: one that does not answer must not hold up another, nor anything else.
        threads = ThreadPoolExecutor(max(len(hubs), 1), "ping")
        self._pinging = [
            Step(f"ping {hub}", partial(app.pinger.ping, hub, self._stop.is_set), threads)
            for hub in hubs
        ]
        self._unread = set(self._sources)
        self._taking: set[Path] = set()
        self._begun = time.monotonic()
        self._built_head = -1
        self._failed = False

    async def run(self) -> None:
        app, web = self._app, self._app.settings.web
        app.keys  # noqa: B018 — made or refused now, not at the first mail
        if lost := app.lost_keys():
            log.error(
                "signing keys are gone: unsubscribe links in mails already sent do not work; "
                "put the former lines back into var/secret.key",
                ids=lost,
            )
        self._look_at_templates()
        readers = ReaderStore(app.db, app.newsletters, app.suppression_key)
        listening = bind(web.host, web.port)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(LoopFaults())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        server = Server(
            create_app(
                site=app.site,
                feeds=app.output.directory,
                media_from=app.settings.media_from,
                hubs=app.settings.feeds.hubs,
                store=readers,
                past=WebStore(app.db),
                editions=Editions(app.db, app.renderer, app.site, app.clock),
                keys=app.keys.all,
                clock=app.clock,
                ready=Readiness(app.db, self._trouble).trouble,
                subscribing=self._subscribing(readers),
            ),
            [listening],
            proxies=web.proxies,
        )
        serving = asyncio.create_task(server.serve())
        others = [asyncio.create_task(self._watch(*each)) for each in self._sources.items()]
        others.append(asyncio.create_task(self._send()))
        ticks = self._ticks()
        ticks.start()
        port = listening.getsockname()[1]
        log.info("publisher runs", url=app.site.url, port=port, pid=os.getpid())
        await self._stop.wait()

        log.info("publisher stops")
        _end_after(DEADLINE)
        server.stop()
        await asyncio.gather(ticks.stop(), self._drain(others), serving)
        log.info("publisher has stopped")
        if self._failed:
            raise TransientError("sending failed in a way we did not foresee; the log tells more")

    def _subscribing(self, readers: ReaderStore) -> Subscribing | None:
        app = self._app
        if not app.newsletters:
            return None
        token = app.settings.web.api_token.get_secret_value()
        return Subscribing(newsletters=app.newsletters, store=readers, api_token=token)

    def _ticks(self) -> Ticks:
        ticks = Ticks()
        ticks.every(_SECOND, self._publishing)
        ticks.every(_SECOND, Step("plan", self._plan))
        ticks.every(timedelta(seconds=5), Step("finish editions", self._app.finish_editions))
        ticks.every(timedelta(seconds=15), Step("watch bounces", self._watch_standing))
        clearing = partial(self._app.clear_editions, self._stop.is_set)
        ticks.every(timedelta(minutes=10), Step("clear editions", clearing))
        forgetting = partial(self._app.forget, self._stop.is_set)
        ticks.every(timedelta(minutes=10), Step("clear notices and sign-ups", forgetting))
        ticks.every(2 * _SECOND, Step("look at templates", self._look_at_templates))
        ticks.every(_RESCAN, Step("look over feeds", self._look_over_feeds))
        if self._worker and not self._app.db.is_sqlite:
            ticks.every(_RESCAN, self._taking_back)
        for pinging in self._pinging:
            ticks.every(_SECOND, pinging)
        for taking in self._sources.values():
            ticks.every(_RESCAN, taking)
        return ticks

    # the steps, each called in a thread

    def _take(self, source: Source) -> None:
        self._taking.add(source.path)
        try:
            tally = self._app.take_in(source)
        finally:
            self._taking.discard(source.path)
        if tally.new or tally.revised or tally.withdrawn or tally.moved or tally.quarantined:
            log.info(
                "taken in",
                source=source.scope or source.name,
                new=tally.new,
                revised=tally.revised,
                withdrawn=tally.withdrawn,
                moved=tally.moved,
                quarantined=tally.quarantined,
            )
        for reason in tally.reasons:
            log.warning("quarantined", reason=reason)

    def _publish(self) -> None:
        # The first reading of a folder gives articles their places by date, not by arrival.
        if self._taking and self._catching_up():
            return
        if count := self._app.make_public(archive=not self._taking):
            log.info("published", articles=count)
        head = self._app.head()
        if head == self._built_head:
            return
        built = self._app.build_feeds()
        self._built_head = head
        if built.written:
            log.info("feeds written", files=built.written)

    def _look_over_feeds(self) -> None:
        """Have them built anew: a template may have changed, or a file gone."""
        self._built_head = -1

    def _catching_up(self) -> bool:
        return bool(self._unread) and time.monotonic() < self._begun + _CATCH_UP

    def _take_back(self) -> None:
        if taken := self._app.take_back():
            resend = self._app.post.resend
            fate = "sent again" if resend else "held; `publisher newsletters uncertain` names them"
            log.warning("a sender ended in mid-flight", mails=taken, they_are=fate)

    def _look_at_templates(self) -> None:
        self._app.renderer.refresh(self._app.clock())

    def _plan(self) -> None:
        # What came while the program was off belongs into the digest that was missed.
        if self._catching_up():
            return
        if count := self._app.planner.plan_due(self._app.clock()):
            log.info("edition planned", mails=count)
            if self._worker:
                self._worker.wake()

    def _trouble(self) -> str:
        """Why mails cannot be booked, or feeds not be written."""
        return (self._worker.trouble if self._worker else "") or self._publishing.trouble

    def _watch_standing(self) -> None:
        for slug, reason in self._app.watch_standing():
            log.error(
                "newsletter paused: its mail does harm; `publisher newsletters resume` goes on",
                newsletter=slug,
                reason=reason,
            )

    # what goes on between ticks

    async def _watch(self, path: Path, taking: Step) -> None:
        """Take in at once what changes in a source's files, and publish it."""
        async for _ in watch.changes(path):
            await taking.run()
            await self._publishing.run()
            self._unread.discard(path)

    async def _send(self) -> None:
        """Send what is due, as soon as no other process does."""
        if self._worker is None:
            log.warning("no relay is configured (mail.relays): mails are planned but not sent")
            return
        lock = self._app.sender_lock
        if not lock.try_acquire():
            log.info("another process sends; this one waits for its turn")
            while not lock.try_acquire():
                await asyncio.sleep(1)
        with lock:
            try:
                while not await self._taking_back.run():
                    await asyncio.sleep(1)
                await self._worker.run()
            except Exception:
                log.exception("the sender failed; the daemon stops so that it can be restarted")
                self._failed = True
                self._stop.set()

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


def _allow_many_files() -> None:
    """As many as the system lets us have: every visitor's connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _end_after(seconds: float) -> None:
    """End the process even if a thread hangs in a slow disk: what it did not commit is undone."""
    timer = threading.Timer(seconds, os._exit, [0])
    timer.daemon = True
    timer.start()
