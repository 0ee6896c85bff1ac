"""Readers that fetch feeds without pause until their input ends: `reading.py PORT`.

Each keeps to one feed, one encoding and one way of asking, and notes in which order it met which
versions. What they found is printed at the end as JSON.
"""

import gzip
import json
import os
import re
import select
import sys
import time
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from http.client import HTTPConnection

_TITLE = re.compile(rb"<title[^>]*>Article (\d+), (\d+)</title>")


@dataclass
class Run:
    """Looks one after the other that met the same version."""

    version: str
    """The SHA-256 of the document, unpacked."""
    etag: str
    first: float
    last: float
    """When the first and the last of these looks began, by the machine's monotonic clock."""
    looks: int = 0


@dataclass
class Reader:
    port: int
    path: str
    encoding: str = "identity"
    conditional: bool = False
    """It names the tag that it has."""
    dated: bool = False
    """It names the date that it has, and no tag."""
    deltas: bool = False
    runs: list[Run] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    shown: dict[int, int] = field(default_factory=dict)
    """The articles that a reader of deltas has: their revisions by their numbers."""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._date: str | None = None
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=30)

    def look(self) -> None:
        headers = {"Accept-Encoding": self.encoding}
        held = self.runs[-1] if self.runs else None
        if held and (self.conditional or self.deltas):
            headers["If-None-Match"] = held.etag
        if self.dated and self._date:
            headers["If-Modified-Since"] = self._date
        if self.deltas:
            headers |= {"A-IM": "feed", "User-Agent": "newsboat/2.21.0 (Linux x86_64)"}
        began = time.monotonic()
        self._connection.request("GET", self.path, headers=headers)
        reply = self._connection.getresponse()
        body = reply.read()  # raises where it is shorter than its Content-Length
        etag = reply.headers["ETag"]
        self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
        if reply.status == 304 and held:
            if etag != held.etag:
                self.faults.append(f"304 for {held.etag} bears {etag}")
            version = held.version
        elif reply.status in (200, 226):
            if int(reply.headers["Content-Length"]) != len(body):
                self.faults.append("another length than was said")
            self._date = reply.headers["Last-Modified"]
            if reply.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            if self.deltas:
                self.shown |= {int(number): int(rev) for number, rev in _TITLE.findall(body)}
            # The daemon's tags are of what they name: that tells to which version a delta leads.
            whole = reply.status == 200
            version = sha256(body).hexdigest() if whole else etag.strip('"')
        else:
            self.faults.append(f"status {reply.status}")
            return
        if not (held and held.version == version and held.etag == etag):
            held = Run(version, etag, began, began)
            self.runs.append(held)
        held.last = began
        held.looks += 1

    def told(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}


def main(port: int, *, with_deltas: bool) -> None:
    os.nice(10)  # who publishes goes first
    folder = "/feeds/all"
    readers = [
        Reader(port, f"{folder}/rss.xml"),
        Reader(port, f"{folder}/rss.xml", "gzip", conditional=True),
        Reader(port, f"{folder}/atom.xml", "gzip"),
        Reader(port, f"{folder}/atom.xml", conditional=True),
        Reader(port, f"{folder}/feed.json", "gzip"),
    ]
    readers += [
        Reader(port, f"{folder}/rss.xml", each, dated=True) for each in ("gzip", "identity")
    ]
    if with_deltas:
        readers.append(Reader(port, f"{folder}/rss.xml", deltas=True))
    over = False
    while not over:
        over = bool(select.select([sys.stdin], [], [], 0)[0])
        for each in readers:  # once more after the end, when nothing changes any more
            each.look()
    print(json.dumps([each.told() for each in readers]))


main(int(sys.argv[1]), with_deltas="deltas" in sys.argv[2:])
