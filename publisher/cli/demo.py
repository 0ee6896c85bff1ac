"""`publisher demo`: a newspaper, its daemon and a mail catcher, all on loopback, to try out."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.request import urlopen

import typer

import publisher
from publisher import settings
from publisher.app import App, utc_now
from publisher.cli.output import complain, say
from publisher.core.wishes import Wishes
from publisher.demo import inbox, samples
from publisher.demo.catcher import Catcher, free_port
from publisher.errors import ConfigurationError, PublisherError, TransientError
from publisher.kit import log
from publisher.store import shelf, status, subscribers
from publisher.web.server import Server, bind

FOLDER = Path(".demo")
_MARK = "made-by-publisher-demo"
_PATIENCE = 30.0  # seconds for each thing that is waited for


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Check that it works, stop, and say so.")
    ] = False,
) -> None:
    """Everything on sample articles in `.demo/`, with a mail catcher of its own."""
    log.configure(json=False)
    folder = _fresh(FOLDER)
    with suppress(KeyboardInterrupt):
        asyncio.run(_Demo(folder).show(once))


def _fresh(folder: Path) -> Path:
    """The demo's folder, empty; one that the demo did not make is left alone."""
    if folder.exists() and not (folder / _MARK).exists():
        raise ConfigurationError(
            f"{folder.absolute()} was not made by the demo; move it away first"
        )
    try:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "articles").mkdir(parents=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise ConfigurationError(f"{folder.absolute()}: {error.strerror}") from error
    return folder.absolute()


class _Demo:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.articles = folder / "articles"
        self.catcher = Catcher()
        self.stop = asyncio.Event()

    async def show(self, once: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        await self.catcher.start("127.0.0.1", free_port(2525))
        mails = await self._serve_inbox()
        taken_in = samples.write_articles(self.articles, utc_now())
        app, daemon = await self._start_daemon()
        try:
            await self._tell(app, taken_in, mails)
            await self._break_news(app, once)
            if once:
                self._compare(app)
            else:
                say("Ctrl-C ends it.")
                await self._until_stopped(daemon)
        finally:
            app.close()
            status = await _end(daemon)
            await self.catcher.stop()
        if status != 0:
            raise TransientError(f"the daemon ended with status {status}: see {self._log}")
        if once:
            say("Everything sent was received, and the daemon ended as asked.")

    async def _tell(self, app: App, written: int, mails: str) -> None:
        """The first ten lines: what there is, every number counted where it is kept."""
        await self._until(lambda: _public(app) == written, "the articles to be published")
        await self._until(lambda: self._feeds() == _categories(app) + 1, "the feeds to be written")
        planned = sum(app.planner.plan_now(slug, app.clock()) for slug in app.newsletters)
        await self._until(lambda: self._settled(app), "the digests to arrive")
        again = sum(app.planner.plan_now(slug, app.clock()) for slug in app.newsletters)
        now = self._status(app)
        site = app.site.url
        with app.db.read() as conn:
            slug = shelf.newest(conn, None, 1)[0].categories[0]
        say(f"{app.site.title}: {now.articles} articles taken in and public, {self._feeds()} feeds")
        say(
            f"Digests: {now.deliveries.get('sent', 0)} sent, {self.catcher.count} received; "
            f"asked again: {again} more planned"
        )
        if planned == 0 or again != 0:
            raise TransientError(f"{planned} mails were planned, and {again} when asked again")
        say()
        say(f"  Front page     {site}/feeds/")
        say(f"  A category     {site}/feeds/{slug}/")
        say(f"  its feeds      {site}/feeds/{slug}/atom.xml   {site}/feeds/{slug}/rss.xml")
        say(f"  Caught mails   {mails}")
        say()
        say(f"Drop a Markdown file into {_short(self.articles)}/ to see it in feed and mail.")

    def _feeds(self) -> int:
        """Counted as files: a feed for each category, and that of all."""
        return len(list((self.folder / "feeds").rglob("atom.xml")))

    async def _break_news(self, app: App, once: bool) -> None:
        """Add an article while the visitor looks on."""
        if not once:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), 5)
            if self.stop.is_set():
                return
        before = self.catcher.count
        begun = asyncio.get_running_loop().time()
        title = samples.write_breaking(self.articles, utc_now())
        await self._until(
            lambda: self.catcher.count > before and self._settled(app), "the breaking news"
        )
        seconds = asyncio.get_running_loop().time() - begun
        say(f"Breaking: “{title}” reached feed and inbox after {seconds:.1f} s.")

    def _compare(self, app: App) -> None:
        sent = self._status(app).deliveries.get("sent", 0)
        if sent != self.catcher.count:
            raise TransientError(f"{sent} mails were sent but {self.catcher.count} received")

    async def _start_daemon(self) -> tuple[App, "subprocess.Popen[bytes]"]:
        """The real daemon as a process of its own; another port when ours was just taken."""
        wanted = 8080
        while True:
            port = free_port(wanted)
            config = samples.write_configuration(
                self.folder, http_port=port, smtp_port=self.catcher.port, now=utc_now()
            )
            app = App(settings.load(config, {}))
            self._add_readers(app)
            daemon = self._launch(config)
            try:
                await self._until(partial(_answers, port, daemon), "the daemon to start")
            except PublisherError:
                said = self._log.read_text(errors="replace")
                if daemon.poll() is None or f"port {port}" not in said:
                    await _end(daemon)
                    raise
                app.close()
                wanted = port + 1
                continue
            return app, daemon

    def _launch(self, config: Path) -> "subprocess.Popen[bytes]":
        own = {k: v for k, v in os.environ.items() if not k.startswith("PUBLISHER_")}
        own["PYTHONPATH"] = str(Path(publisher.__file__).parents[1])
        with self._log.open("wb") as file:
            return subprocess.Popen(  # noqa: S603 — our own program
                [sys.executable, "-m", "publisher", "--config", str(config), "run"],
                env=own,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for us; we end the daemon as an operator would
            )

    @property
    def _log(self) -> Path:
        return self.folder / "daemon.log"

    def _add_readers(self, app: App) -> None:
        now = app.clock()
        with app.db.write() as conn:
            for each in samples.READERS:
                reader = subscribers.ensure(
                    conn, each.address, name=each.name, zone=each.zone, locale="", now=now
                )
                subscribers.subscribe(
                    conn,
                    reader.id,
                    app.newsletter(each.newsletter),
                    Wishes(
                        categories=each.categories,
                        cadence=each.cadence,
                        at=each.at,
                        zone=each.zone,
                    ),
                    consent={"given_at": now.isoformat(), "how": "a reader of the demo"},
                    now=now,
                )

    async def _serve_inbox(self) -> str:
        port = free_port(8025)
        server = Server(inbox.application(self.catcher), [bind("127.0.0.1", port)])
        self._serving = asyncio.create_task(server.serve())
        return f"http://127.0.0.1:{port}/"

    def _status(self, app: App) -> status.Status:
        with app.db.read() as conn:
            return status.read(conn)

    def _settled(self, app: App) -> bool:
        """Every mail that was planned has gone out and come in."""
        now = self._status(app)
        sent = now.deliveries.get("sent", 0)
        return sent > 0 and now.backlog == 0 and sent == self.catcher.count

    async def _until(self, happened: Callable[[], bool], what: str) -> None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not await asyncio.to_thread(happened):
            if self.stop.is_set():
                raise KeyboardInterrupt
            if asyncio.get_running_loop().time() > deadline:
                raise TransientError(
                    f"waited {_PATIENCE:.0f} s in vain for {what}; see {self._log}"
                )
            await asyncio.sleep(0.05)

    async def _until_stopped(self, daemon: "subprocess.Popen[bytes]") -> None:
        while not self.stop.is_set():
            if daemon.poll() is not None:
                complain(f"the daemon has ended; see {self._log}")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), 0.5)


def _public(app: App) -> int:
    with app.db.read() as conn:
        return shelf.count(conn, None)


def _categories(app: App) -> int:
    with app.db.read() as conn:
        return len(shelf.categories(conn))


def _answers(port: int, daemon: "subprocess.Popen[bytes]") -> bool:
    if daemon.poll() is not None:
        raise TransientError("the daemon did not start")
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


async def _end(daemon: "subprocess.Popen[bytes]") -> int:
    """Stop the daemon as an operator would, and tell its exit status."""
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(daemon.wait, 15)


def _short(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
