"""A site in a folder of its own, run by the real commands in real processes."""

import asyncio
import io
import json
import logging
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from xml.etree import ElementTree

from publisher.cli import main
from publisher.demo.catcher import Catcher

ROOT = Path(__file__).resolve().parents[2]

CONFIG = """\
[site]
title = "Example News"
url = "http://127.0.0.1:{port}"
zone = "Europe/Berlin"
contact = "editor@news.example"

[web]
port = {port}

[mail]
sender = "Example News <news@news.example>"
{mail}

[[sources]]
kind = "folder"
path = "articles"

[[newsletters]]
slug = "daily"
title = "The Daily"
cadences = ["daily", "weekly", "immediate"]
at = "07:00"
zone = "Europe/Berlin"
window = 1
"""


def until(happened: Callable[[], Any], what: str, seconds: float = 40) -> Any:
    """What `happened` says once it is true; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    """One that nothing listens on, outside of the range that outgoing connections come from."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def catching() -> Iterator[Catcher]:
    """The demo's mail catcher, in a thread with an event loop of its own."""
    catcher = Catcher()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="catcher")
    thread.start()
    asyncio.run_coroutine_threadsafe(catcher.start("127.0.0.1", 0), loop).result(10)
    try:
        yield catcher
    finally:
        asyncio.run_coroutine_threadsafe(catcher.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass
class Site:
    folder: Path
    port: int = field(default_factory=free_port)
    smtp_port: int | None = None
    mail: str = ""
    more: str = ""
    """Further tables of the configuration."""
    config: str = CONFIG
    environ: dict[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    """A program that runs ours, like faketime."""

    def __post_init__(self) -> None:
        (self.folder / "articles").mkdir(parents=True, exist_ok=True)
        (self.folder / "config").mkdir(exist_ok=True)
        self.configure()

    def configure(self) -> None:
        relay = (
            f'[[mail.relays]]\nurl = "smtp://127.0.0.1:{self.smtp_port}"' if self.smtp_port else ""
        )
        text = self.config.format(port=self.port, mail=f"{self.mail}\n{relay}")
        (self.folder / "config" / "publisher.toml").write_text(f"{text}\n{self.more}")

    def write(self, name: str, title: str, text: str = "Some text.", **keys: str) -> Path:
        """An article file, with front matter."""
        path = self.folder / "articles" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        front = "".join(f"{key}: {value}\n" for key, value in keys.items())
        path.write_text(f"---\ntitle: {json.dumps(title)}\n{front}---\n\n{text}\n")
        return path

    @property
    def environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("PUBLISHER_")}
        return {**own, "PYTHONPATH": str(ROOT), **self.environ}

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "publisher", *arguments]

    def call(self, *arguments: str) -> str:
        """Run a command in this process, which is quicker than `run`; its output."""
        config = str(self.folder / "config" / "publisher.toml")
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        said = io.StringIO()
        try:
            with redirect_stdout(said):
                assert main(["--config", config, *arguments]) == 0, arguments
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
        return said.getvalue()

    def add_reader(self, address: str, **choice: str) -> None:
        """Of the newsletter `daily`; `choice` as in the command's options."""
        options = [f"--{name}={value}" for name, value in choice.items()]
        self.call("subscribers", "add", address, "--newsletter", "daily", *options)

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command as a process to its end; its output. Fails on another exit status."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.call(*arguments, "--json"))

    @contextmanager
    def daemon(self) -> Iterator["subprocess.Popen[bytes]"]:
        """The daemon, answering; ended by SIGTERM if the test has not ended it."""
        with (self.folder / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                self.command("run"), cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        try:
            until(lambda: self.answers() or process.poll() is not None, "the daemon to answer")
            assert process.poll() is None, self.log()
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(15)

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()

    def answers(self) -> bool:
        try:
            return bool(self.get("/healthz")[0] == 200)
        except OSError:
            return False

    def get(self, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        """What the daemon answers; with `data` to a POST."""
        request = Request(f"http://127.0.0.1:{self.port}{path}", data)
        try:
            with urlopen(request, timeout=30) as reply:
                return reply.status, reply.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    def moved(self, path: str) -> tuple[int, str]:
        """Status and Location of the daemon's answer, not followed."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.headers.get("Location", "")
        finally:
            connection.close()

    def feed(self, category: str = "all") -> dict[str, str]:
        """The ids of the articles in a feed, as the daemon serves it, by title; newest first."""
        status, body = self.get(f"/feeds/{category}/atom.xml")
        if status != 200:
            return {}
        atom = "{http://www.w3.org/2005/Atom}"
        return {
            str(each.findtext(f"{atom}title")): str(each.findtext(f"{atom}id"))
            for each in ElementTree.fromstring(body).iter(f"{atom}entry")
        }
