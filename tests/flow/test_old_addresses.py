"""Old addresses keep working, and what is gone for good says so."""

from pathlib import Path

from tests.flow.site import CONFIG, Site, free_port, until

RENAMED = """
[[categories]]
slug = "world"
title = "World"
formerly = ["abroad", "never-seen"]
"""
RETIRED = '[[categories]]\nslug = "world"\ntitle = "World"\nretired = true\n'


def test_a_category_moves_with_its_articles_readers_and_addresses(tmp_path: Path) -> None:
    site = Site(tmp_path, port=free_port())
    site.write("one.md", "One", categories="[Abroad]")
    site.write("both.md", "Both", categories="[Abroad, World]")
    site.run("ingest", "articles")
    site.run("publish")
    site.run("subscribers", "add", "ada@reader.example", "--newsletter", "daily",
             "--categories", "abroad")  # fmt: skip
    site.config = CONFIG + RENAMED
    site.configure()
    site.run("publish")
    site.write("two.md", "Two", categories="[Abroad]")  # an author who has not heard of it
    with site.daemon():
        until(lambda: b"Two" in site.get("/feeds/world/atom.xml")[1], "the new article")
        assert sorted(site.feed("world")) == ["Both", "One", "Two"]
        root = f"http://127.0.0.1:{site.port}"
        for former in ("abroad", "never-seen"):
            for rest in ("", "atom.xml", "page/1/"):
                there = (308, f"{root}/feeds/world/{rest}")
                assert site.moved(f"/feeds/{former}/{rest}") == there
        wordpress = site.moved("/category/abroad/feed/")
        assert wordpress == (308, f"{root}/feeds/abroad/rss.xml")
        assert site.moved("/feed/") == (308, f"{root}/feeds/all/rss.xml")
    assert not (tmp_path / "feeds" / "abroad").exists()
    site.run("newsletters", "send", "daily", "--now")
    assert "1 pending" in site.run("status")


def test_the_page_of_an_article_that_is_read_elsewhere_now_leads_there(tmp_path: Path) -> None:
    site = Site(tmp_path, port=free_port())
    there = "https://partner.example/a?b=1&c=%C3%A9"
    with site.daemon():
        site.write("a.md", "A")
        until(lambda: site.get("/feeds/articles/a/")[0] == 200, "its page")
        site.write("a.md", "A", canonical=f'"{there}"')
        until(lambda: site.moved("/feeds/articles/a/") == (308, there), "the way to the new one")
        assert site.moved("/feeds/articles/b/")[0] == 404
        (tmp_path / "articles" / "a.md").unlink()
        until(lambda: site.moved("/feeds/articles/a/")[0] == 410, "it to be withdrawn")


def test_a_retired_category_answers_gone_and_can_come_back(tmp_path: Path) -> None:
    site = Site(tmp_path, port=free_port())
    site.write("one.md", "One", categories="[World]")
    site.run("ingest", "articles")
    site.run("publish")
    site.config = CONFIG + RETIRED
    site.configure()
    with site.daemon():
        until(lambda: site.get("/feeds/world/rss.xml")[0] == 410, "the category to be gone")
        assert site.get("/feeds/world/")[0] == 410
        assert b"One" in site.get("/feeds/all/rss.xml")[1]
    site.config = CONFIG
    site.configure()
    with site.daemon():
        until(lambda: site.get("/feeds/world/rss.xml")[0] == 200, "the category to be back")


def test_a_withdrawn_article_is_gone_with_a_sentence(tmp_path: Path) -> None:
    site = Site(tmp_path, port=free_port())
    site.write("one.md", "One", categories="[World]")
    site.write("two.md", "Two", categories="[World]")
    with site.daemon():
        until(lambda: site.get("/feeds/articles/one/")[0] == 200, "the article's page")
        one = next(each for each in site.json("articles", "list") if each["title"] == "One")
        site.run("articles", "withdraw", one["id"])
        until(lambda: site.get("/feeds/articles/one/")[0] == 410, "the page to be gone")
        assert b"withdrawn" in site.get("/feeds/articles/one/")[1]
        site.write("two.md", "Two", categories="[World]", withdrawn="true")
        until(lambda: site.get("/feeds/articles/two/")[0] == 410, "the second 410")
        until(lambda: site.feed("world") == {}, "the feed without them")
        assert site.get("/feeds/articles/never/")[0] == 404
