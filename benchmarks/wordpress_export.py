"""Time and memory of a large WordPress export: `python benchmarks/wordpress_export.py 200000`.

Writes an export of so many posts of 5 KB (200,000 are 1.1 GB), reads it through the source alone,
takes it in twice as `publisher ingest` does, makes the posts public and builds their feeds. Each
step is a process of its own, so that its peak memory is its own.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import typer

ROOT = Path(__file__).resolve().parents[1]
CATEGORIES = 60
PER_ATTACHMENT = 4

HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0"
\txmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
\txmlns:content="http://purl.org/rss/1.0/modules/content/"
\txmlns:dc="http://purl.org/dc/elements/1.1/"
\txmlns:wp="http://wordpress.org/export/1.2/">
<channel>
\t<title>The Long Gazette</title>
\t<link>https://gazette.example</link>
\t<language>en-GB</language>
\t<wp:wxr_version>1.2</wp:wxr_version>
\t<wp:base_blog_url>https://gazette.example</wp:base_blog_url>
\t<wp:author><wp:author_login><![CDATA[mara]]></wp:author_login>\
<wp:author_display_name><![CDATA[Mara Lindqvist]]></wp:author_display_name></wp:author>
"""
CATEGORY = """\t<wp:category><wp:category_nicename><![CDATA[part-{n}]]></wp:category_nicename>\
<wp:category_parent><![CDATA[{parent}]]></wp:category_parent>\
<wp:cat_name><![CDATA[Part {n}]]></wp:cat_name></wp:category>
"""
ITEM = """\t<item>
\t\t<title><![CDATA[{title}]]></title>
\t\t<link>https://gazette.example/{name}/</link>
\t\t<pubDate>Thu, 01 Jan 2009 00:00:00 +0000</pubDate>
\t\t<dc:creator><![CDATA[mara]]></dc:creator>
\t\t<guid isPermaLink="false">https://gazette.example/?p={id}</guid>
\t\t<description></description>
\t\t<content:encoded><![CDATA[{content}]]></content:encoded>
\t\t<excerpt:encoded><![CDATA[{excerpt}]]></excerpt:encoded>
\t\t<wp:post_id>{id}</wp:post_id>
\t\t<wp:post_date><![CDATA[{date}]]></wp:post_date>
\t\t<wp:post_date_gmt><![CDATA[{date}]]></wp:post_date_gmt>
\t\t<wp:comment_status><![CDATA[closed]]></wp:comment_status>
\t\t<wp:post_name><![CDATA[{name}]]></wp:post_name>
\t\t<wp:status><![CDATA[{status}]]></wp:status>
\t\t<wp:post_parent>0</wp:post_parent>
\t\t<wp:post_type><![CDATA[{kind}]]></wp:post_type>
\t\t<wp:post_password><![CDATA[]]></wp:post_password>
{more}\t</item>
"""
META = """\t\t<wp:postmeta><wp:meta_key><![CDATA[{key}]]></wp:meta_key>\
<wp:meta_value><![CDATA[{value}]]></wp:meta_value></wp:postmeta>
"""
WORDS = tuple(
    """harbour lantern council tide bridge market signal orchard winter ferry ledger copper garden
    engine window letter island measure north river quiet paper evening salt timber bell
    story""".split()  # noqa: SIM905 - a column of quotes would hide what it is
)


def write(path: Path, posts: int) -> None:
    chance = random.Random(7)  # noqa: S311 - the same file each time

    def sentence() -> str:
        return f"{' '.join(chance.choices(WORDS, k=14)).capitalize()}."

    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        for n in range(CATEGORIES):
            file.write(CATEGORY.format(n=n, parent=f"part-{n // 6}" if n % 6 else ""))
        for number in range(1, posts + 1):
            classic = number % 2
            between = (
                "\n\n" if classic else "</p>\n<!-- /wp:paragraph -->\n\n<!-- wp:paragraph -->\n<p>"
            )
            text = between.join(" ".join(sentence() for _ in range(5)) for _ in range(8))
            content = (
                f'[caption id="a" width="640"]<img src="/{number}.jpg" alt="A harbour" /> '
                f"{sentence()}[/caption]\n\n{text}\n\nhttps://video.example/{number}"
                if classic
                else f"<!-- wp:paragraph -->\n<p>{text}</p>\n<!-- /wp:paragraph -->"
            )
            parts = {chance.randrange(CATEGORIES) for _ in range(2)}
            more = "".join(
                f'\t\t<category domain="category" nicename="part-{n}">Part {n}</category>\n'
                for n in parts
            )
            if number % PER_ATTACHMENT == 0:
                more += META.format(key="_thumbnail_id", value=posts + number)
            date = datetime(2006, 1, 1) + timedelta(minutes=number * 40)  # noqa: DTZ001
            file.write(
                ITEM.format(
                    id=number,
                    title=sentence(),
                    name=f"story-{number}",
                    content=content,
                    excerpt=sentence() if number % 3 else "",
                    date=date,
                    status="draft" if number % 50 == 0 else "publish",
                    kind="post",
                    more=more,
                )
            )
        for number in range(PER_ATTACHMENT, posts + 1, PER_ATTACHMENT):
            url = f"https://gazette.example/files/{number}.jpg"
            more = f"\t\t<wp:attachment_url>{url}</wp:attachment_url>\n" + META.format(
                key="_wp_attachment_image_alt", value=sentence()
            )
            file.write(
                ITEM.format(
                    id=posts + number,
                    title=f"{number}.jpg",
                    name=f"image-{number}",
                    content="",
                    excerpt=sentence(),
                    date="2006-01-01 00:00:00",
                    status="inherit",
                    kind="attachment",
                    more=more,
                )
            )
        file.write("</channel>\n</rss>\n")


def read(path: Path) -> str:
    """Through the source alone."""
    from publisher.core.model import Candidate
    from publisher.sources.wordpress.source import WordPressSource

    found = [0, 0]
    for document in WordPressSource(path, path.parent, "UTC").changed():
        for item in document.items:
            found[isinstance(item, Candidate) and item.draft] += 1
    return f"{found[0]} posts, {found[1]} drafts"


def ingest(path: Path) -> str:
    """As the command does, into the site in the export's folder."""
    from publisher.app import App
    from publisher.settings import load
    from publisher.sources.wordpress.source import WordPressSource

    config = path.parent / "publisher.toml"
    config.write_text('[site]\ntitle = "Gazette"\nurl = "https://news.example"\n')
    with longest_transaction() as longest:
        tally = App(load(config, {})).take_in(WordPressSource(path, path.parent, "UTC"))
    return f"{tally.new} new, {tally.same} same, {tally.skipped} skipped; {longest()}"


def publish(path: Path) -> str:
    from publisher.app import App
    from publisher.settings import load

    with longest_transaction() as longest:
        count = App(load(path.parent / "publisher.toml", {})).make_public()
    return f"{count} public; {longest()}"


def build(path: Path) -> str:
    from publisher.app import App
    from publisher.settings import load

    built = App(load(path.parent / "publisher.toml", {})).build_feeds()
    return f"{built.feeds} feeds, {built.written} files written"


@contextmanager
def longest_transaction() -> Iterator[Callable[[], str]]:
    """Says how long the write lock was held, in the middle and at most."""
    from publisher.store.engine import Database

    write, held = Database.write, [0.0]

    @contextmanager
    def timed(db: Database) -> Iterator[object]:
        begun = 0.0
        try:
            with write(db) as conn:
                begun = time.monotonic()
                yield conn
        finally:
            held.append(time.monotonic() - begun)

    def said() -> str:
        middle, most = sorted(held)[len(held) // 2] * 1000, max(held) * 1000
        return f"transactions of {middle:.0f} ms, the longest {most:.0f} ms"

    Database.write = timed  # type: ignore[assignment,method-assign]  # for this process only
    yield said


STEPS: dict[str, Callable[[Path], str]] = {
    "read": read,
    "ingest": ingest,
    "publish": publish,
    "build": build,
}


def measured(step: str, path: Path) -> None:
    """Run a step in a process of its own, and tell what it took."""
    begun = time.monotonic()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, __file__, step, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{step} failed")
    seconds = time.monotonic() - begun
    megabytes = path.stat().st_size / 1e6
    typer.echo(
        f"{step:8} {megabytes:7.0f} MB in {seconds:6.1f} s, "
        f"{usage.ru_utime + usage.ru_stime:6.1f} s of them on a processor, "
        f"peak {usage.ru_maxrss / 1024:4.0f} MiB: {said.strip()}"
    )


def main(posts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.xml"
        write(path, posts)
        for step in ("read", "ingest", "ingest", "publish", "build", "build"):
            measured(step, path)


if __name__ == "__main__":
    if sys.argv[1] in STEPS:
        typer.echo(STEPS[sys.argv[1]](Path(sys.argv[2])))
    else:
        main(int(sys.argv[1]))
