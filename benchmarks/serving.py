"""How fast the daemon serves a feed of 100 KB, beside nginx: `python -m benchmarks.serving`.

Both answer the same requests in turns, each on one core, over 32 connections that stay open; wrk
(Debian's package) asks.
"""

import re
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

import typer

from tests.flow.front import nginx
from tests.flow.site import Site

PATH = "/feeds/all/rss.xml"
ASKED = {
    "whole": {"Accept-Encoding": "identity"},
    "gzip": {"Accept-Encoding": "gzip"},
    "304": {"Accept-Encoding": "gzip", "If-None-Match": "*"},
}
WORDS = (
    "ferry",
    "harbour",
    "dawn",
    "tide",
    "rope",
    "captain",
    "dog",
    "market",
    "bread",
    "rain",
    "sea",
)


def main(seconds: int = 3, rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        for number in range(50):
            words = (WORDS[number * place % 11 - place % 5] for place in range(270))
            site.write(f"{number}.md", f"Article {number}", " ".join(words))
        site.run("ingest", "articles")
        site.run("publish")
        size = (site.folder / "feeds/all/rss.xml").stat().st_size
        typer.echo(f"{size // 1000} KB; answers a second, the middle one of {rounds} looks")
        with site.daemon(), nginx(site.folder / "nginx", site.folder, site.port) as port:
            for name, headers in ASKED.items():
                said = [
                    [answers(each, headers, seconds) for each in (site.port, port)]
                    for _ in range(rounds)
                ]
                ours, theirs = (median(each) for each in zip(*said, strict=True))
                ratio = f"{ours / theirs:.2f}"
                typer.echo(f"{name:6} daemon {ours:7,.0f}  nginx {theirs:7,.0f}  ratio {ratio}")


def answers(port: int, headers: dict[str, str], seconds: int) -> float:
    url = f"http://127.0.0.1:{port}{PATH}"
    if "If-None-Match" in headers:
        with urlopen(Request(url, headers={"Accept-Encoding": "gzip"})) as reply:
            headers = headers | {"If-None-Match": reply.headers["ETag"]}
    options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", "-c32", f"-d{seconds}", *options, url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 — ours
    found = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    assert found, done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(found[1])


if __name__ == "__main__":
    typer.run(main)
