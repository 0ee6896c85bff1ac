"""A site in a folder of its own, run by the real commands in real processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

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


def until(happened: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """What `happened` says once it is true; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return found


@dataclass
class Site:
    folder: Path
    port: int = 0
    smtp_port: int | None = None
    mail: str = ""
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
        (self.folder / "config" / "publisher.toml").write_text(text)

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

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command to its end; its output. Fails when it ends with another status."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

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

    def get(self, path: str) -> tuple[int, bytes]:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
            return reply.status, reply.read()
