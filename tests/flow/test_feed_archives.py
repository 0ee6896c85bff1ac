"""All that ever came out can be fetched: the newest from a feed, the rest from its archives."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import feedparser
import pytest
from lxml import etree

from tests.flow.site import Site
from tests.programs import real

ATOM = "{http://www.w3.org/2005/Atom}"
TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
FORMATS = ("rss.xml", "atom.xml", "feed.json")


@dataclass(frozen=True)
class Document:
    """A feed's document, as a client sees it."""

    path: str
    titles: list[str]
    ids: list[str]
    links: dict[str, str]
    feed_id: str


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path, more="[feeds]\nentries = 4\n")
    for n in range(14):
        made.write(f"a{n:02}.md", f"Story {n}", categories="harbour")
        if n % 5 == 4:
            publish(made)
    publish(made)
    return made


def publish(site: Site) -> None:
    site.call("ingest", str(site.folder / "articles"))
    site.call("publish")


def document(site: Site, path: str) -> Document:
    data = (site.folder / unquote(path)).read_bytes()
    if path.endswith(".json"):
        said = json.loads(data)
        links = {"self": said["feed_url"], "prev-archive": said.get("next_url", "")}
        items = said["items"]
        return Document(
            path,
            [each["title"] for each in items],
            [each["id"] for each in items],
            {rel: href for rel, href in links.items() if href},
            "",
        )
    found = feedparser.parse(data)
    assert not found.bozo
    links = {each.get("rel"): each.href for each in etree_links(data)}
    return Document(
        path,
        [each.title for each in found.entries],
        [each.id for each in found.entries],
        links,
        found.feed.get("id", ""),
    )


@dataclass(frozen=True)
class _Link:
    rel: str
    href: str

    def get(self, _name: str) -> str:
        return self.rel


def etree_links(data: bytes) -> list[_Link]:
    root = etree.fromstring(data)
    parent = root if root.tag == f"{ATOM}feed" else root.find("channel")
    return [
        _Link(each.get("rel", ""), each.get("href", "")) for each in parent.findall(f"{ATOM}link")
    ]


def chain(site: Site, start: str) -> list[Document]:
    """A feed and all its archive documents, as a client walks them."""
    base = f"http://127.0.0.1:{site.port}/"
    found = [document(site, start)]
    assert found[0].links["self"] == base + start
    while older := found[-1].links.get("prev-archive"):
        assert older.startswith(base)
        found.append(document(site, older.removeprefix(base)))
        assert found[-1].links["self"] == older
        assert len(found) < 50, "the archives lead in a circle"
    return found


def held(documents: list[Document]) -> dict[str, list[str]]:
    return {each.path: each.ids for each in documents if "/archive/" in each.path}


@pytest.mark.parametrize("name", FORMATS)
def test_every_article_can_be_fetched(site: Site, name: str) -> None:
    for slug in ("harbour", "all"):
        documents = chain(site, f"feeds/{slug}/{name}")
        titles = {title for each in documents for title in each.titles}
        assert titles == {f"Story {n}" for n in range(14)}
        assert documents[0].titles == ["Story 13", "Story 12", "Story 11", "Story 10"]
        assert all(len(each.ids) == 4 for each in documents)
        archived = [each for document in documents[1:] for each in document.ids]
        assert len(archived) == len(set(archived))


def test_atom_holds_against_its_schema(site: Site) -> None:
    schema = etree.RelaxNG(etree.parse(real("schemas/atom.rng")))
    (site.folder / "articles" / "a02.md").unlink()
    publish(site)
    for path in sorted((site.folder / "feeds").rglob("atom.xml")):
        assert schema.validate(etree.parse(path)), schema.error_log


def test_archives_say_what_they_are(site: Site) -> None:
    for path in sorted((site.folder / "feeds").rglob("atom.xml")):
        root = etree.parse(path)
        is_archive = "archive" in path.parts
        assert bool(root.findall("{http://purl.org/syndication/history/1.0}archive")) == is_archive
        rels = {each.get("rel") for each in root.findall(f"{ATOM}link")}
        assert ("current" in rels) == is_archive
    newest = document(site, "feeds/harbour/atom.xml").links["prev-archive"]
    last = int(newest.rsplit("/", 2)[1])
    for n in range(1, last + 1):
        links = document(site, f"feeds/harbour/archive/{n}/atom.xml").links
        assert links["current"].endswith("/feeds/harbour/atom.xml")
        assert ("prev-archive" in links) == (n > 1)
        newer = f"harbour/archive/{n + 1}" if n < last else "harbour"
        assert links["next-archive"].endswith(f"/feeds/{newer}/atom.xml")


@pytest.mark.parametrize("name", FORMATS)
def test_an_archive_keeps_its_members(site: Site, name: str) -> None:
    before = held(chain(site, f"feeds/harbour/{name}"))
    for n in range(14, 25):
        site.write(f"a{n:02}.md", f"Story {n}", categories="harbour")
    for n in range(3):
        site.write(f"old{n}.md", f"Ancient {n}", categories="harbour", date=f"2019-01-0{n + 1}")
    publish(site)
    documents = chain(site, f"feeds/harbour/{name}")
    after = held(documents)
    assert {path: after[path] for path in before} == before
    titles = {title for each in documents for title in each.titles}
    assert titles == {f"Story {n}" for n in range(25)} | {f"Ancient {n}" for n in range(3)}


def test_edits_and_withdrawals_show_in_place(site: Site) -> None:
    before = {path: path.read_bytes() for path in (site.folder / "feeds").rglob("atom.xml")}
    ids = document(site, "feeds/harbour/archive/1/atom.xml").ids
    site.write("a01.md", "Story 1, mended", categories="harbour")
    publish(site)
    (site.folder / "articles" / "a02.md").unlink()
    publish(site)
    first = document(site, "feeds/harbour/archive/1/atom.xml")
    assert first.titles == ["Story 3", "Story 1, mended", "Story 0"]
    assert first.ids == [ids[0], ids[2], ids[3]]
    root = etree.parse(site.folder / "feeds/harbour/archive/1/atom.xml")
    [tombstone] = root.findall(TOMBSTONE)
    assert tombstone.get("ref") == ids[1]
    assert tombstone.get("when", "").endswith("+00:00")
    assert "Story 2" not in str(chain(site, "feeds/harbour/feed.json"))
    changed = {
        str(path.parent.relative_to(site.folder / "feeds"))
        for path, data in before.items()
        if path.read_bytes() != data
    }
    # The feed itself is dated by what left it, where that is later than all else.
    assert changed - {"harbour", "all"} == {"harbour/archive/1", "all/archive/1"}


def test_a_withdrawal_among_the_newest_leaves_a_tombstone_till_it_is_old(site: Site) -> None:
    gone = document(site, "feeds/harbour/atom.xml").ids[0]
    (site.folder / "articles" / "a13.md").unlink()
    publish(site)
    path = site.folder / "feeds/harbour/atom.xml"
    assert [each.get("ref") for each in etree.parse(path).findall(TOMBSTONE)] == [gone]
    for n in range(14, 19):
        site.write(f"a{n:02}.md", f"Story {n}", categories="harbour")
    publish(site)
    assert b"tombstones" not in path.read_bytes()


def test_ids_outlive_slug_title_and_address(site: Site) -> None:
    before = chain(site, "feeds/harbour/atom.xml")
    every = document(site, "feeds/all/atom.xml")
    site.config = site.config.replace("http://127.0.0.1:{port}", "https://other.example").replace(
        "Example News", "The Other News"
    )
    site.more += '[[categories]]\nslug = "quay"\ntitle = "The Quay"\nformerly = ["harbour"]\n'
    site.configure()
    site.call("publish")
    after = document(site, "feeds/quay/atom.xml")
    assert after.links["self"] == "https://other.example/feeds/quay/atom.xml"
    assert after.feed_id == before[0].feed_id
    assert after.ids == before[0].ids
    assert document(site, "feeds/all/atom.xml").feed_id == every.feed_id != after.feed_id
    for number, was in enumerate(reversed(before[1:]), 1):
        archived = document(site, f"feeds/quay/archive/{number}/atom.xml")
        assert (archived.feed_id, archived.ids) == (was.feed_id, was.ids)
    assert not (site.folder / "feeds/harbour").exists()


def test_categories_that_become_one_lose_nothing(site: Site) -> None:
    for n in range(9):
        site.write(f"c{n}.md", f"City {n}", categories="city")
    publish(site)
    before = held(chain(site, "feeds/harbour/atom.xml"))
    site.more += '[[categories]]\nslug = "harbour"\ntitle = "Harbour"\nformerly = ["city"]\n'
    site.configure()
    site.call("publish")
    documents = chain(site, "feeds/harbour/atom.xml")
    titles = {title for each in documents for title in each.titles}
    assert titles == {f"Story {n}" for n in range(14)} | {f"City {n}" for n in range(9)}
    assert {path: held(documents)[path] for path in before} == before


def test_two_nodes_of_one_database_write_the_same_bytes(site: Site) -> None:
    def files(folder: str) -> dict[str, bytes]:
        root = site.folder / folder
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and not path.name.startswith(".built")
        }

    site.more = site.more.replace("[feeds]\n", '[feeds]\ndirectory = "second"\n')
    site.configure()
    site.call("publish")
    assert files("second") == files("feeds")


def test_a_rebuild_touches_nothing(site: Site) -> None:
    def stamps() -> dict[Path, tuple[int, int]]:
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_ino)
            for path in (site.folder / "feeds").rglob("*")
            if path.is_file()
        }

    before = stamps()
    site.call("publish")
    (site.folder / "feeds/.built.json").unlink()
    del before[site.folder / "feeds/.built.json"]
    site.call("publish")
    after = stamps()
    del after[site.folder / "feeds/.built.json"]
    assert after == before
