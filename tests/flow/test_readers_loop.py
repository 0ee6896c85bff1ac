"""Readers that fetch without pause, from the daemon and from nginx, while feeds are rewritten.

Whatever happens, also on a full disk, they get whole versions, in their order, never one that is
out of date, under tags that mean what they say.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any

import pytest

from publisher import settings
from publisher.app import App
from publisher.core.model import Candidate
from publisher.errors import TransientError
from publisher.feeds import output_folder
from publisher.sources.port import Document
from tests.flow.disks import Disk, disk
from tests.flow.front import nginx
from tests.flow.site import ROOT, Site, until

MORE = """
[feeds]
directory = "disk/feeds"
entries = 20
"""
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@dataclass
class Wire:
    """A source that gives what it is told; what it gave before stays."""

    candidate: Candidate
    name: str = "wire"
    path: Path = Path("/nowhere")
    scope: str = ""

    def changed(self) -> Iterator[Document]:
        yield Document(key=self.candidate.key, items=(self.candidate,))

    def holds(self, key: str) -> bool:
        return key == self.candidate.key

    def again(self, key: str) -> None:
        raise AssertionError("nothing may fail")

    def present(self) -> None:
        """Nothing: what is not given again was not withdrawn."""


@dataclass
class Press:
    """Publishes, and remembers every version of every feed."""

    app: App
    revisions: dict[int, int] = field(default_factory=dict)
    versions: dict[str, dict[str, int]] = field(default_factory=dict)
    """For each feed, the place of each of its versions in their order, by SHA-256."""
    done: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """For each feed, when which version was in its place, as a whole."""
    sizes: dict[str, set[int]] = field(default_factory=dict)
    refused: int = 0

    def take(self, number: int) -> None:
        """A new article, or every seventh time another revision of one that is in the feed."""
        if number > 30 and number % 7 == 0:
            number -= 10
        revision = self.revisions[number] = self.revisions.get(number, -1) + 1
        # All of one size: a file's size is not to tell the versions of a feed apart.
        candidate = Candidate(
            key=f"{number:06}",
            title=f"Article {number:06}, {revision:03}",
            body_html=f"<p>{shake_256(b'%d' % number).hexdigest(400)}</p>",
            categories=("Harbour",),
            url=f"https://elsewhere.example/{number:06}",
            published_at=START + timedelta(minutes=number),
        )
        self.app.take_in(Wire(candidate))

    def publish(self) -> None:
        try:
            self.app.publish()
        except TransientError:
            self.refused += 1

    def write(self, path: Path, data: bytes) -> int:
        """As the program does, which calls this in its place."""
        name = "/feeds/" + str(path.relative_to(self.app.output.directory))
        known = self.versions.setdefault(name, {})
        place = known.setdefault(sha256(data).hexdigest(), len(known))
        self.sizes.setdefault(name, set()).add(len(data))
        written = _write(path, data)
        self.done.setdefault(name, []).append((time.monotonic(), place))
        return written


_write = output_folder.write_with_gzip


@contextmanager
def pressing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Press]]:
    site = Site(folder, more=MORE)
    app = App(settings.load(folder / "config" / "publisher.toml", {}))
    app.clock = lambda: START + timedelta(days=10)
    press = Press(app)
    monkeypatch.setattr(output_folder, "write_with_gzip", press.write)
    try:
        yield site, press
    finally:
        app.close()


@contextmanager
def readers(port: int, *more: str) -> Iterator[list[dict[str, Any]]]:
    """Lets them read; what they found is in the list at the end."""
    found: list[dict[str, Any]] = []
    command = [sys.executable, "-m", "tests.flow.reading", str(port), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield found
    finally:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, "a reader met what no reader can read"
    found += json.loads(said)


@contextmanager
def serving(site: Site) -> Iterator[None]:
    config = site.folder / "config" / "publisher.toml"
    command = [sys.executable, "-m", "tests.flow.serving", str(config), str(site.port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        until(site.answers, "the web server")
        yield
    finally:
        process.terminate()
        process.wait(15)


def check(found: list[dict[str, Any]], press: Press) -> None:
    for reader in found:
        what = "{path} in {encoding} from {port}".format(**reader)
        assert reader["faults"] == [], what
        places = places_of(press.versions[reader["path"]], reader, what)
        assert places == sorted(places), f"{what}: an older version came after a newer one"
        check_it_is_up_to_date(press.done[reader["path"]], reader["runs"], places, what)
    tags: dict[tuple[str, ...], str] = {}
    for reader in found:
        if not reader["deltas"]:
            for run in reader["runs"]:
                bearer = reader["port"], reader["path"], reader["encoding"], run["etag"]
                assert tags.setdefault(bearer, run["version"]) == run["version"], bearer


def places_of(versions: dict[str, int], reader: dict[str, Any], what: str) -> list[int]:
    if reader["deltas"]:
        versions = {known[:32]: place for known, place in versions.items()} | versions
    places = [versions.get(run["version"]) for run in reader["runs"]]
    assert None not in places, f"{what}: no such version was ever published"
    return [place for place in places if place is not None]


def check_it_is_up_to_date(
    done: list[tuple[float, int]], runs: list[dict[str, Any]], places: list[int], what: str
) -> None:
    """No look that began after a version was there met one before it."""
    step, there = 0, -1
    for run, place in zip(runs, places, strict=True):
        while step < len(done) and done[step][0] < run["last"]:
            there = max(there, done[step][1])
            step += 1
        assert place >= there, f"{what}: a version that was out of date"


def check_deltas(found: list[dict[str, Any]], press: Press) -> None:
    [reader] = [each for each in found if each["deltas"]]
    assert reader["statuses"].get("226", 0) > 0
    shown = {int(number): revision for number, revision in reader["shown"].items()}
    assert shown == {number: press.revisions[number] for number in shown}
    assert set(press.revisions) - set(shown) <= set(range(1, min(shown)))


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, publications: int, full: set[int]) -> None:
    """`full`: the publications from which on ten meet a full disk."""
    with (
        room_for_feeds(folder / "disk", bool(full)) as small,
        pressing(folder, monkeypatch) as (site, press),
    ):
        for number in range(1, 31):
            press.take(number)
        press.publish()
        press.sizes.clear()
        with (
            serving(site),
            nginx(folder / "nginx", folder / "disk", site.port) as port,
            readers(site.port, "deltas") as direct,
            readers(port) as through_nginx,
        ):
            begun = time.monotonic()
            for start in range(31, publications + 31, 10):
                with small.full() if start - 1 in full else nullcontext():
                    for number in range(start, start + 10):
                        press.take(number)
                        press.publish()
            took = time.monotonic() - begun
            press.publish()
    assert press.refused == 10 * len(full)
    # A link to the archives may grow by a digit; else size alone would tell the versions apart.
    assert len(press.sizes["/feeds/all/rss.xml"]) < 10
    for found in (direct, through_nginx):
        check(found, press)
    check_deltas(direct, press)
    tell(publications, took, press, direct, through_nginx)


@contextmanager
def room_for_feeds(folder: Path, may_be_full: bool) -> Iterator[Disk]:
    if may_be_full:
        with disk(folder, 128) as small:
            yield small
    else:
        yield Disk(folder)


def tell(publications: int, took: float, press: Press, *servers: list[dict[str, Any]]) -> None:
    refused = f"{press.refused} of them on a full disk"
    print(f"\n{publications} publications in {took:.0f} s, {refused}")
    for name, found in zip(("the daemon", "nginx"), servers, strict=True):
        statuses = Counter[str]()
        for reader in found:
            statuses.update(reader["statuses"])
        met = sum(len(reader["runs"]) for reader in found)
        print(f"from {name}: {dict(sorted(statuses.items()))}, {met} changes of version met")


def test_readers_get_whole_true_and_timely_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_root_may_mount = os.geteuid() == 0
    run(tmp_path, monkeypatch, 50, {50} if only_root_may_mount else set())


@pytest.mark.slow
def test_readers_get_them_while_ten_thousand_articles_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, monkeypatch, 10_000, set(range(530, 10_000, 500)))
