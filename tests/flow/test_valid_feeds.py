"""Strict validators find nothing in our feeds, be the articles ours, real ones or wild ones."""

import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree
from structlog.testing import capture_logs

from publisher.core.model import Candidate, Category, Enclosure, Image, Related
from publisher.demo import samples
from publisher.feeds.atom import atom
from publisher.feeds.feed import Naming, entry_of, feed_of
from publisher.feeds.json_feed import json_feed
from publisher.feeds.rss import rss
from publisher.kit.files import write_with_gzip
from tests import feed_faults
from tests.flow import valid
from tests.flow.site import ROOT
from tests.flow.valid import Offering, Served, served, validated
from tests.hostile import Wild
from tests.programs import lacking, needs, real

DATA = Path(__file__).parents[1] / "data"
WILD = 20
"""Papers of wild articles."""
OFFERED, PUBLIC = 60, 45
"""In each; the rest says nothing, or is dated in the year 9999."""


def offer(paper: Served, *paths: Path) -> None:
    for path in paths:
        paper.app.take_in(paper.app.source_at(path.absolute(), kind=None, category=""))


def demo(paper: Served) -> None:
    samples.write_articles(paper.site.folder / "articles", datetime.now(UTC))
    for source in paper.app.sources():
        paper.app.take_in(source)


def small_paper(paper: Served) -> None:
    told = tomllib.loads((DATA / "feeds" / "paper.toml").read_text())
    paper.app.take_in(
        Offering(
            [
                Candidate(
                    key=each["slug"],
                    title=each.get("title", ""),
                    summary=each.get("summary", ""),
                    body_html=each["body"],
                    authors=tuple(each.get("authors", ())),
                    categories=tuple(
                        told["categories"][slug]["title"] for slug in each["categories"]
                    ),
                    language=each.get("language", ""),
                    url=each.get("url", ""),
                    slug=each["slug"],
                    image=Image(**each["image"]) if "image" in each else None,
                    enclosures=tuple(Enclosure(**file) for file in each.get("enclosures", ())),
                    related=tuple(Related(**other) for other in each.get("related", ())),
                )
                for each in told["articles"]
            ]
        )
    )


def wild(paper: Served, seed: int) -> None:
    tally = paper.app.take_in(Offering(Wild(seed).candidates(OFFERED, "Wild & free")))
    assert tally.new + tally.quarantined == OFFERED
    assert paper.publish() >= PUBLIC


def old(paper: Served, seed: int) -> None:
    """Rows that no door of today has cleaned, but for their texts."""
    category = Category(slug="old", title="<b>Old & odd</b>", description="</b> &amp; \ufffd")
    titles = {"old": category.title, "odd": "R&D2"}
    entries = [entry_of(each, paper.app.site, titles) for each in Wild(seed).articles(100)]
    made = feed_of(paper.app.site, Naming(host="news.example", year=2026), category, entries)
    for name, write in {"rss.xml": rss, "atom.xml": atom, "feed.json": json_feed}.items():
        write_with_gzip(paper.feeds / "old" / name, write(made))


@pytest.fixture(scope="module", params=["own", "real"])
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A paper with archive documents and a hub, from which some articles were withdrawn."""
    found = request.param == "real" and real("real/wordpress-export.xml")
    with served(tmp_path_factory.mktemp("kept"), entries=3, hubs='"http://127.0.0.1/hub"') as paper:
        offer(paper, found or DATA / "wordpress" / "gazette.xml")
        offer(paper, *sorted(DATA.glob("archive_page/*.txt")))
        paper.publish()
        for document in ("", "archive/1"):
            said = json.loads((paper.feeds / "all" / document / "feed.json").read_bytes())
            paper.site.call("articles", "withdraw", said["items"][1]["id"])
        paper.publish()
        assert b"deleted-entry" in (paper.feeds / "all/archive/1/atom.xml").read_bytes()
        assert b"deleted-entry" in (paper.feeds / "all/atom.xml").read_bytes()
        yield paper


def test_archives_and_tombstones_are_as_valid(kept: Served) -> None:
    feeds = kept.files("rss.xml") + kept.files("atom.xml")
    assert len(kept.files("archive/*/rss.xml")) > 3
    said = validated(map(kept.address, feeds))
    assert Counter(each.kinds[0] for each in said if not each.excused) == {}


def test_archives_and_tombstones_hold_against_the_schemas(kept: Served) -> None:
    for file in kept.files("atom.xml"):
        assert valid.atom_faults(file.read_bytes()) == [], file
    for file in kept.files("feed.json"):
        assert valid.json_faults(file.read_bytes()) == [], file


PAPERS = {
    "own page": lambda paper: offer(paper, DATA / "main_job" / "page.txt"),
    "own pages": lambda paper: offer(paper, *sorted(DATA.glob("archive_page/*.txt"))),
    "own export": lambda paper: offer(paper, DATA / "wordpress" / "gazette.xml"),
    "own folder": lambda paper: offer(paper, DATA / "folder"),
    "small paper": small_paper,
    "demo": demo,
    "real page": lambda paper: offer(paper, real("real/category-archive-russia.txt")),
    "real export": lambda paper: offer(paper, real("real/wordpress-export.xml")),
    **{f"wild {n}": lambda paper, n=n: wild(paper, n) for n in range(WILD)},
    **{f"old {n}": lambda paper, n=n: old(paper, n) for n in range(2)},
}


@pytest.fixture(scope="module", params=PAPERS)
def paper(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("paper")) as found:
        PAPERS[request.param](found)
        found.publish()
        assert len(found.files("rss.xml")) > 1
        yield found


def test_the_validator_of_w3c_has_nothing_to_say(paper: Served) -> None:
    feeds = paper.files("rss.xml") + paper.files("atom.xml")
    said = validated(paper.address(each) for each in feeds)
    assert [str(each) for each in said if not each.excused] == []


def test_atom_holds_against_the_schema(paper: Served) -> None:
    for file in paper.files("atom.xml"):
        assert valid.atom_faults(file.read_bytes()) == [], file


def test_json_holds_against_the_schema(paper: Served) -> None:
    for file in paper.files("feed.json"):
        assert valid.json_faults(file.read_bytes()) == [], file


def test_our_own_reading_finds_nothing(paper: Served) -> None:
    for file in paper.files("rss.xml"):
        assert feed_faults.rss_faults(file.read_bytes()) == [], file
        for text in etree.parse(file, etree.XMLParser(huge_tree=True)).iter("{*}encoded"):
            assert feed_faults.html_faults(text.text) == [], file
    for file in paper.files("atom.xml"):
        assert feed_faults.atom_faults(file.read_bytes()) == [], file
    for file in paper.files("feed.json"):
        assert feed_faults.json_faults(file.read_bytes()) == [], file


FAULTY = """\
<rss version="2.0"><channel><title>Faulty</title><link>http://127.0.0.1/</link>
<description>x</description><language>en</language>
<item><title>&lt;b&gt;Bold&lt;/b&gt;</title><guid isPermaLink="false">x</guid>
<description>&lt;p&gt;x&lt;p&gt;&lt;/b&gt;</description>
<pubDate>Mon, 20 Nov 2026 07:00:00 +0000</pubDate></item>
<item><title>Old</title><guid isPermaLink="false">y</guid>
<pubDate>Sun, 01 Jun 1969 00:00:00 +0000</pubDate></item>
</channel></rss>
"""


def test_faults_are_found_out(tmp_path: Path) -> None:
    """What finds nothing must be known to look."""
    with served(tmp_path) as paper:
        file = paper.feeds / "faulty" / "rss.xml"
        write_with_gzip(file, FAULTY.encode())
        said = validated([paper.address(file)])
    kinds = Counter(each.kinds[0] for each in said if not each.excused)
    assert kinds == {"NotHtml": 1, "IncorrectDOW": 1, "MissingAtomSelfLink": 1}
    assert {each.kinds[0] for each in said if each.excused} == {"ContainsHTML", "ImplausibleDate"}


def test_our_own_reading_finds_faults_out() -> None:
    assert feed_faults.rss_faults(FAULTY.encode()) == [
        "no date: None",
        "no link",
        "no date: 'Mon, 20 Nov 2026 07:00:00 +0000'",
        "no address: None",
        "a title that looks like HTML: <b>Bold</b>",
        "no link",
        "no description",
        "no address: None",
    ]
    assert feed_faults.html_faults("<p>a<p>b</p></p><a href='/x'><i></a>") == [
        "p in p",
        "href='/x'",
        "a ends what did not begin",
        "never closed: a",
    ]


def test_what_is_left_out_is_logged_once_for_each_article(tmp_path: Path) -> None:
    files = (
        Enclosure(url="ftp://media.example/1.mp3", type="audio/mpeg", length=1),
        Enclosure(url="http://[2001:db8::1]/2.mp3", type="audio/mpeg", length=2),
        Enclosure(url="https://media.example/3.mp3", type="", length=-3),
    )
    poor = Candidate(
        key="1",
        title="Poor",
        categories=("One", "Two", "Three"),
        enclosures=files,
        language="klingon",
        url="https://two words.example/",
    )
    rich = Candidate(key="2", title="Rich", categories=("One",), enclosures=files[2:])
    with served(tmp_path) as paper:
        with capture_logs() as at_the_door:
            paper.app.take_in(Offering([poor, rich]))
        with capture_logs() as in_the_feeds:
            paper.publish()
            paper.publish()
        [atom_file] = paper.feeds.glob("three/atom.xml")
        links = etree.parse(atom_file).findall(".//{*}entry/{*}link[@rel='enclosure']")
    assert [(each["event"], each["article"], each["what"]) for each in at_the_door] == [
        ("left out of an article", "Poor", ["an enclosure: ftp://media.example/1.mp3"])
    ]
    assert [(each["event"], each["article"], each["what"]) for each in in_the_feeds] == [
        (
            "left out of the feeds",
            "poor",
            [
                "its address: https://two words.example/",
                "an enclosure: http://[2001:db8::1]/2.mp3",
                "its language: klingon",
            ],
        )
    ]
    assert [dict(each.attrib) for each in links] == [
        {
            "href": "https://media.example/3.mp3",
            "rel": "enclosure",
            "type": "audio/mpeg",
            "length": "0",
        }
    ]


PROGRAM = """
import itertools, locale, secrets, sys, time
from datetime import UTC, datetime
from pathlib import Path
from publisher import settings
from publisher.app import App

locale.setlocale(locale.LC_ALL, "")
print(ascii(time.strftime("%A", (2026, 11, 20, 7, 0, 0, 4, 324, 0))))
numbers = itertools.count()
secrets.token_hex = lambda _: f"{next(numbers):016x}"
app = App(settings.load(Path(sys.argv[1]), {}), lambda: datetime(2026, 11, 20, 7, tzinfo=UTC))
for path in sys.argv[2:]:
    app.take_in(app.source_at(Path(path), kind=None, category=""))
app.publish()
app.close()
"""


OF_MANY_LANGUAGES = (
    "archive_page/german.txt", "archive_page/arabic.txt", "wordpress/gazette.xml", "folder",
)  # fmt: skip


def published_in(locale: str, folder: Path, locales: Path) -> tuple[str, dict[str, bytes]]:
    """What Friday is called there, and every file that was published."""
    folder.mkdir()
    (folder / "config").mkdir()
    config = folder / "config" / "publisher.toml"
    config.write_text('[site]\ntitle = "Städte"\nurl = "https://news.example"\n')
    own = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            config,
            *(DATA / each for each in OF_MANY_LANGUAGES),
        ],
        env={**own, "LC_ALL": locale, "LOCPATH": str(locales), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    feeds = folder / "feeds"
    files = (path for path in feeds.rglob("*") if path.is_file())
    return done.stdout.strip(), {str(each.relative_to(feeds)): each.read_bytes() for each in files}


def test_no_locale_alters_a_byte(tmp_path: Path) -> None:
    locales = tmp_path / "locales"
    locales.mkdir()
    for name in ("de_DE", "ar_EG"):
        made = subprocess.run(
            [needs("localedef"), "-i", name, "-f", "UTF-8", locales / f"{name}.UTF-8"],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            lacking("needs the sources of locales (Debian: locales)")
    days = {}
    files = {}
    for locale in ("C", "de_DE.UTF-8", "ar_EG.UTF-8"):
        days[locale], files[locale] = published_in(locale, tmp_path / locale, locales)
    assert days == {
        "C": "'Friday'",
        "de_DE.UTF-8": "'Freitag'",
        "ar_EG.UTF-8": ascii("الجمعة"),
    }
    assert len(files["C"]) > 100
    assert b"GMT" not in files["C"]["all/rss.xml"]
    for each in files.values():
        assert each == files["C"]
