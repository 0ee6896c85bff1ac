"""`publisher demo`: a newspaper, its daemon and a mail catcher, all on loopback, to try out."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from xml.sax.saxutils import escape

import typer

import publisher
from publisher import settings
from publisher.app import App
from publisher.cli.output import complain, counted, say
from publisher.core.wishes import Wishes
from publisher.demo import inbox, samples
from publisher.demo.catcher import Catcher, free_port
from publisher.demo.folder import emptied
from publisher.errors import ConfigurationError, TransientError
from publisher.feedapp import utc_now
from publisher.kit import log
from publisher.store import shelf, status, subscribers, subscriptions
from publisher.web.server import Server, bind

FOLDER = Path(".demo")
_PATIENCE = 30.0  # seconds for each thing that is waited for
_PAUSE = 5.0  # seconds for the visitor to read, before news breaks


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Check that it works, stop, and say so.")
    ] = False,
) -> None:
    """Everything on sample articles in `.demo/`, with a mail catcher of its own."""
    log.configure(json=False)
    with emptied(FOLDER) as folder:
        asyncio.run(_Demo(folder).show(once))


class _StoppedError(Exception):
    """The visitor has seen enough."""


class _Demo:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.articles = folder / "articles"
        self.log = folder / "daemon.log"
        self.catcher = Catcher()
        self.stop = asyncio.Event()
        self.app: App | None = None
        self.daemon: subprocess.Popen[bytes] | None = None

    async def show(self, once: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop.set)
        inbox_server, mails = _inbox(self.catcher)
        serving = asyncio.create_task(inbox_server.serve())
        try:
            await self._run(once, mails)
        except _StoppedError:
            if once:
                raise TransientError("stopped before everything was checked") from None
        finally:
            exit_status = await self._end_daemon()
            await self.catcher.stop()
            inbox_server.stop()
            await serving
        if exit_status != 0:
            raise TransientError(f"the daemon ended with status {exit_status}; see {self.log}")
        if once:
            say("Everything sent was received, and the daemon ended as asked.")

    async def _run(self, once: bool, mails: str) -> None:
        await _catch(self.catcher)
        written = samples.write_articles(self.articles, utc_now())
        app = await self._start_daemon()
        await self._tell(app, written, mails)
        if not once:
            await self._wait(_PAUSE)
        await self._break_news(app)
        if once:
            self._compare(app)
            return
        say("Ctrl-C ends it.")
        while not self._ended():
            await self._wait(0.5)
        complain(f"the daemon has ended; see {self.log}")

    async def _tell(self, app: App, written: int, mails: str) -> None:
        """The first ten lines: what there is, every number counted where it is kept."""
        await self._until(lambda: _public(app) == written, "the articles to be published")
        await self._until(lambda: self._feeds() == _categories(app) + 1, "the feeds to be written")
        planned = sum(app.planner.plan_now(slug, app.clock()) for slug in app.newsletters)
        await self._until(lambda: self._settled(app), "the digests to arrive")
        again = sum(app.planner.plan_now(slug, app.clock()) for slug in app.newsletters)
        if planned == 0 or again != 0:
            raise TransientError(f"{planned} mails were planned, and {again} when asked again")
        now = _status(app)
        with app.db.read() as conn:
            slug = shelf.newest(conn, None, 1)[0].categories[0]
        site, sent = app.site.url, _sent(now)
        say(
            f"{app.site.title}: {counted(now.articles, 'article')} taken in and public, "
            f"{counted(self._feeds(), 'feed')} written"
        )
        say(
            f"{counted(sent, 'digest')} sent, {self.catcher.count} received by the mail catcher; "
            f"asking again sent {again or 'none'}"
        )
        say()
        say(f"  Front page     {site}/feeds/")
        say(f"  A category     {site}/feeds/{slug}/")
        say(f"  its feeds      {site}/feeds/{slug}/atom.xml   {site}/feeds/{slug}/rss.xml")
        say(f"  Caught mails   {mails}")
        say()
        say(f"A file in {_short(self.articles)}/ is in feed and mail within seconds. Try it:")
        say(f"  printf '# My own news\\n\\nHello.\\n' > {_short(self.articles)}/mine.md")

    async def _break_news(self, app: App) -> None:
        """Add an article while the visitor looks on."""
        before = self.catcher.count
        begun = asyncio.get_running_loop().time()
        title = samples.write_breaking(self.articles, utc_now())
        await self._until(
            lambda: self._in_feed(title) and self.catcher.count > before and self._settled(app),
            "the breaking news",
        )
        seconds = asyncio.get_running_loop().time() - begun
        say(f"Breaking: “{title}” reached feed and inbox after {seconds:.1f} s.")

    def _compare(self, app: App) -> None:
        sent = _sent(_status(app))
        if sent != self.catcher.count:
            raise TransientError(f"{sent} mails were sent but {self.catcher.count} received")

    async def _start_daemon(self) -> App:
        """The real daemon as a process of its own; another port when ours was just taken."""
        wanted = 8080
        while True:
            port = free_port(wanted)
            config = samples.write_configuration(
                self.folder, http_port=port, smtp_port=self.catcher.port, now=utc_now()
            )
            self.app = App(settings.load(config, {}))
            _add_readers(self.app)
            self.daemon = self._launch(config)
            await self._until(lambda: self._begun() or self._ended(), "the daemon to begin")
            if self._begun():
                return self.app
            said = self.log.read_text(errors="replace").strip()
            if f"port {port}" not in said:
                raise TransientError(f"the daemon did not start: {said}")
            self.app.close()
            wanted = port + 1

    def _launch(self, config: Path) -> "subprocess.Popen[bytes]":
        own = {k: v for k, v in os.environ.items() if not k.startswith("PUBLISHER_")}
        here = str(Path(publisher.__file__).parents[1])
        own["PYTHONPATH"] = os.pathsep.join(filter(None, (here, own.get("PYTHONPATH"))))
        with self.log.open("wb") as file:
            return subprocess.Popen(  # noqa: S603 — our own program
                [sys.executable, "-m", "publisher", "--config", str(config), "run"],
                env=own,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for us; we end the daemon as an operator would
            )

    def _begun(self) -> bool:
        """By its own log: on its port another demo's daemon might answer."""
        return "publisher runs" in self.log.read_text("utf-8")

    def _ended(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is not None

    async def _end_daemon(self) -> int:
        """Stop the daemon as an operator would, and tell its exit status."""
        if self.app:
            self.app.close()
        if self.daemon is None:
            return 0
        if self.daemon.poll() is None:
            self.daemon.terminate()
        try:
            exit_status = await asyncio.to_thread(self.daemon.wait, 15)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            exit_status = await asyncio.to_thread(self.daemon.wait)
        too_early = exit_status == -signal.SIGTERM and not self._begun()
        return 0 if too_early else exit_status

    def _feeds(self) -> int:
        """Counted as files: a feed for each category, and that of all."""
        return len(list((self.folder / "feeds").rglob("atom.xml")))

    def _in_feed(self, title: str) -> bool:
        feed = self.folder / "feeds" / "all" / "atom.xml"
        return escape(title) in feed.read_text("utf-8")

    def _settled(self, app: App) -> bool:
        """Every mail that was planned has gone out and come in."""
        now = _status(app)
        sent = _sent(now)
        return sent > 0 and now.backlog == 0 and sent == self.catcher.count

    async def _until(self, happened: Callable[[], bool], what: str) -> None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not await asyncio.to_thread(happened):
            if asyncio.get_running_loop().time() > deadline:
                raise TransientError(f"waited {_PATIENCE:.0f} s in vain for {what}; see {self.log}")
            await self._wait(0.05)

    async def _wait(self, seconds: float) -> None:
        """Raises _StoppedError when the visitor ends the demo meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
        if self.stop.is_set():
            raise _StoppedError


def _inbox(catcher: Catcher) -> tuple[Server, str]:
    """The pages that show the caught mails, and their address."""
    listening = _listening(8025)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    return Server(inbox.application(catcher), [listening]), address


def _listening(preferred: int) -> socket.socket:
    """On the preferred port or the next that is free."""
    for port in range(preferred, preferred + 100):
        with suppress(ConfigurationError):
            return bind("127.0.0.1", port)
    return bind("127.0.0.1", 0)


async def _catch(catcher: Catcher) -> None:
    for port in (*range(2525, 2625), 0):
        with suppress(OSError):
            return await catcher.start("127.0.0.1", port)
    raise TransientError("the mail catcher finds no free port")


def _add_readers(app: App) -> None:
    now = app.clock()
    with app.db.write() as conn:
        for each in samples.READERS:
            reader = subscribers.ensure(
                conn, each.address, name=each.name, zone=each.zone, locale="", now=now
            )
            subscriptions.subscribe(
                conn,
                reader.id,
                app.newsletter(each.newsletter),
                Wishes(
                    categories=each.categories, cadence=each.cadence, at=each.at, zone=each.zone
                ),
                consent={"given_at": now.isoformat(), "how": "a reader of the demo"},
                now=now,
            )


def _status(app: App) -> status.Status:
    with app.db.read() as conn:
        return status.read(conn)


def _sent(now: status.Status) -> int:
    return now.deliveries.get("sent", 0) + now.notices.get("sent", 0)


def _public(app: App) -> int:
    with app.db.read() as conn:
        return shelf.count(conn, None)


def _categories(app: App) -> int:
    with app.db.read() as conn:
        return len(shelf.categories(conn))


def _short(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
