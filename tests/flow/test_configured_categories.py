"""What `[[categories]]` says holds for articles that come later, for pages of older ones, for what
a source tells, and for the newsletters that carry a category."""

import json
from pathlib import Path

import pytest

from tests.flow.site import CONFIG, Site

WORDPRESS = """\
<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:wp="http://wordpress.org/export/1.2/"><channel>
<title>Blog</title><link>https://blog.example</link><wp:wxr_version>1.2</wp:wxr_version>
<wp:category><wp:category_nicename>world</wp:category_nicename>
<wp:cat_name>World</wp:cat_name></wp:category>
<wp:category><wp:category_nicename>harbour</wp:category_nicename>
<wp:category_parent>world</wp:category_parent><wp:cat_name>Harbour</wp:cat_name>
<wp:category_description>News from the docks.</wp:category_description></wp:category>
<item><title>Ferry</title><content:encoded>It left.</content:encoded><wp:post_id>7</wp:post_id>
<wp:post_date_gmt>2026-11-02 08:00:00</wp:post_date_gmt><wp:status>publish</wp:status>
<wp:post_type>post</wp:post_type>
<category domain="category" nicename="harbour">Harbour</category></item>
</channel></rss>
"""


def section(slug: str, title: str, more: str = "") -> str:
    return f'[[categories]]\nslug = "{slug}"\ntitle = "{title}"\n{more}\n'


def print_(site: Site, more: str | None = None) -> None:
    """Take in and publish, under another configuration if one is given."""
    if more is not None:
        site.more = more
        site.configure()
    site.call("ingest", str(site.folder / "articles"))
    site.call("publish")


def files(site: Site) -> dict[str, bytes]:
    folder = site.folder / "feeds"
    found = [each for each in folder.rglob("*") if each.is_file() and each.name[0] != "."]
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in found}


def sections(site: Site) -> set[str]:
    return {name.partition("/")[0] for name in files(site) if name.endswith("/rss.xml")} - {"all"}


def assert_fresh(site: Site) -> None:
    """All files are as a build from nothing would write them."""
    before = files(site)
    (site.folder / "feeds" / ".built.json").unlink()
    site.call("publish")
    now = files(site)
    assert {name for name in before | now if before.get(name) != now.get(name)} == set()


@pytest.mark.parametrize(
    ("configured", "named", "slug"),
    [
        (section("news", "Nachrichten"), "", "news"),  # the default category
        (section("wn", "World News"), "wn", "wn"),
        (section("wn", "World News"), "World news", "wn"),
        (section("harbour", "Harbour", 'formerly = ["port"]'), "Port", "harbour"),
    ],
)
@pytest.mark.parametrize("known", [False, True], ids=["fresh", "grown"])
def test_an_article_may_name_a_category_by_its_slug_or_a_former_one(
    tmp_path: Path, configured: str, named: str, slug: str, known: bool
) -> None:
    site = Site(tmp_path)
    keys = {"categories": f"[{named}]"} if named else {}
    if known:
        site.write("0.md", "Before", **keys)
        print_(site)
    print_(site, configured)
    site.write("1.md", "One", **keys)
    print_(site)
    assert "One" in files(site)[f"{slug}/rss.xml"].decode()
    assert sections(site) <= {slug, *({"world-news"} if known else ())}


def test_a_title_that_was_changed_leads_to_its_category(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("1.md", "One", categories="[Harbour]")
    print_(site)
    print_(site, section("harbour", "Port News"))
    site.write("2.md", "Two", categories="[Port News]")
    site.write("3.md", "Three", categories="[Harbour]")
    print_(site)
    assert sections(site) == {"harbour"}
    assert files(site)["harbour/rss.xml"].count(b"<item>") == 3


def test_what_it_leaves_open_a_source_may_tell(tmp_path: Path) -> None:
    site = Site(tmp_path, more=section("harbour", "Harbour", 'language = "de"'))
    (tmp_path / "export.xml").write_text(WORDPRESS)
    source = '[[sources]]\nkind = "wordpress"\npath = "export.xml"\n'
    site.config = CONFIG.replace('[[sources]]\nkind = "folder"\npath = "articles"\n', source)
    site.configure()
    site.call("ingest", str(tmp_path / "export.xml"))
    site.call("publish")
    first = files(site)
    assert b"News from the docks." in first["harbour/rss.xml"]
    for _ in range(2):
        site.call("publish")
        site.call("ingest", str(tmp_path / "export.xml"))
    site.call("publish")
    assert files(site) == first


def test_pages_of_old_articles_follow_what_is_retired_and_comes_back(tmp_path: Path) -> None:
    site = Site(tmp_path, more=section("x", "X", "retired = true"))
    site.write("a.md", "A", categories="[X, Y]")
    for more in (None, "", site.more, ""):
        print_(site, more)
        assert_fresh(site)
    assert b'"/feeds/x/"' in files(site)["articles/a/index.html"]


def test_a_category_below_one_that_moved_stays_below_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("x.md", "A", categories="[X]")
    site.write("y.md", "B", categories="[Y]")
    print_(site)
    below = section("x", "X", 'parent = "y"')
    print_(site, below + section("y", "Y"))
    print_(site, section("x", "X") + section("z", "Z", 'formerly = ["y"]'))
    assert b"/feeds/z/" in files(site)["x/index.html"]
    assert_fresh(site)


@pytest.mark.parametrize("follows", [True, False])
def test_a_newsletter_carries_its_category_on_under_the_new_slug(
    tmp_path: Path, follows: bool
) -> None:
    carrying = CONFIG + 'categories = ["sport"]\n'
    site = Site(tmp_path, config=carrying)

    def due() -> list[str]:
        told = json.loads(site.call("newsletters", "send", "daily", "--now", "--dry-run", "--json"))
        return sorted(each for each in ("One", "Two") if each in json.dumps(told))

    site.write("0.md", "Zero", categories="[Sport]")
    print_(site)
    site.add_reader("ada@reader.example")
    site.write("1.md", "One", categories="[Sport]")
    print_(site)
    assert due() == ["One"]
    if follows:
        site.config = carrying.replace('["sport"]', '["sports"]')
    print_(site, section("sports", "Sports", 'formerly = ["sport"]'))
    assert due() == ["One"]
    site.write("2.md", "Two", categories="[Sports]")
    print_(site)
    assert due() == ["One", "Two"]
