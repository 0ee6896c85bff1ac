"""The pages in a real browser: nothing runs, nothing overflows, everything can be reached."""

import re

import pytest
from playwright.sync_api import Browser

from publisher import settings
from publisher.app import App
from tests.browser.visit import assert_everybody_can_use, opened, press, turn
from tests.flow.site import Site, until

PATHS = (
    "/feeds/",
    "/feeds/harbour/",
    "/feeds/harbour/follow/",
    "/feeds/filler/",
    "/feeds/filler/page/1/",
    "/feeds/all/",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1440])
def test_pages_fit_the_screen_and_load_cleanly(
    chromium: Browser, paper: Site, width: int, scheme: str
) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    articles = ("ferry", "long", "parts", "ar", "ru", "ja")
    for path in (*PATHS, *(f"/feeds/articles/{slug}/" for slug in articles)):
        page, complaints = opened(context, f"http://127.0.0.1:{paper.port}{path}")
        assert complaints == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.locator("h1").count() == 1, path
        page.close()
    context.close()


def test_the_background_follows_the_colour_scheme(chromium: Browser, paper: Site) -> None:
    shades = []
    for dark in (False, True):
        context = chromium.new_context(color_scheme="dark" if dark else "light")
        page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(int(n) for n in re.findall(r"\d+", colour)[:3]))
        context.close()
    light, dark_shade = shades
    assert light > 600 > 200 > dark_shade


def test_nothing_that_a_stranger_wrote_runs(chromium: Browser, paper: Site) -> None:
    context = chromium.new_context()
    [slug] = [
        each.name
        for each in (paper.folder / "feeds" / "articles").iterdir()
        if "a link" in (each / "index.html").read_text()
    ]
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/articles/{slug}/")
    assert page.title() != "run"
    assert page.locator("h1").inner_text() == "<script>document.title='run'</script>"
    assert page.locator('script:not([type="application/ld+json"])').count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    context.close()


def test_the_check_for_running_scripts_can_fail(chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.set_content("<img src=x onerror=\"document.title='run'\">")
    page.wait_for_function("document.title === 'run'")
    context.close()


def test_a_reader_finds_their_way_by_keyboard_and_links(chromium: Browser, paper: Site) -> None:
    context = chromium.new_context()
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/")
    page.keyboard.press("Tab")
    assert "skip" in page.evaluate("document.activeElement.textContent").lower()
    turn(page.get_by_role("link", name="Harbour").first)
    assert page.url.endswith("/feeds/harbour/")
    turn(page.get_by_role("link", name="The ferry is back").first)
    assert page.locator("h1").inner_text() == "The ferry is back"
    assert "It left at dawn." in page.locator("main").inner_text()
    context.close()


def test_every_page_announces_its_feeds(chromium: Browser, paper: Site) -> None:
    context = chromium.new_context()
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/harbour/")
    alternate = page.locator("link[rel=alternate]")
    links = alternate.evaluate_all("all => all.map(a => [a.type, a.href])")
    assert {kind for kind, _ in links} >= {
        "application/rss+xml",
        "application/atom+xml",
        "application/feed+json",
    }
    for _, address in links:
        assert page.request.get(address).ok
    context.close()


def test_the_address_of_a_feed_is_marked_whole_by_the_tab_key(
    chromium: Browser, paper: Site
) -> None:
    context = chromium.new_context()
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/harbour/")
    turn(page.locator("main").get_by_role("link", name="How to follow"))
    page.locator("main .kicker a").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.getSelection().toString()").endswith("/feeds/harbour/rss.xml")
    page.keyboard.type("x")
    assert page.get_by_label("RSS").input_value().endswith("/feeds/harbour/rss.xml")
    context.close()


def test_a_month_is_reached_from_the_first_page(chromium: Browser, paper: Site) -> None:
    context = chromium.new_context()
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/filler/")
    turn(page.get_by_role("navigation", name="Archive by month").get_by_role("link").last)
    page.wait_for_url("**/feeds/filler/page/1/#2019-*")
    page.locator(":target h2").wait_for(state="visible")
    turn(page.get_by_role("link", name="Archive by month"))
    page.get_by_role("heading", name="Archive by month").wait_for(state="visible")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, paper: Site, scheme: str) -> None:
    context = chromium.new_context(
        viewport={"width": 390, "height": 844},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    articles = (f"/feeds/articles/{slug}/" for slug in ("ferry", "parts", "ar", "ja"))
    for path in (*PATHS, *articles):
        page, _ = opened(context, f"http://127.0.0.1:{paper.port}{path}")
        assert_everybody_can_use(page, path)
        page.close()
    context.close()


def test_paragraphs_of_columns_stand_apart(chromium: Browser, paper: Site) -> None:
    context = chromium.new_context()
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/articles/parts/")
    first, second = (page.get_by_text(words).bounding_box() for words in ("One col", "Another"))
    assert first
    assert second
    assert second["y"] - (first["y"] + first["height"]) > 10
    context.close()


PICTURES = """\
<figure><img src="/gone/a.jpg" alt="A boat at dawn"><figcaption>Dawn</figcaption></figure>
<ul><li><figure><img src="/gone/b.jpg" alt=""></figure></li>
<li><figure><img src="/gone/c.jpg" alt="A dog"></figure></li></ul>
"""


def test_a_picture_that_does_not_come_leaves_its_words_in_a_box(
    chromium: Browser, paper: Site
) -> None:
    paper.write("pictures.html", "Pictures", PICTURES, categories="[Harbour]")
    address = f"http://127.0.0.1:{paper.port}/feeds/articles/pictures/"
    until(lambda: paper.get("/feeds/articles/pictures/")[0] == 200, "the page")
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(address)
    boxes = page.locator(".body img").evaluate_all(
        "all => all.map(each => [each.getBoundingClientRect().height,"
        " getComputedStyle(each, '::after').content])"
    )
    assert [words for _, words in boxes] == ['"A boat at dawn"', '""', '"A dog"']
    assert all(height > 60 for height, _ in boxes)
    tops = page.locator(".body li").evaluate_all("all => all.map(e => e.offsetTop)")
    assert tops[0] == tops[1]  # a gallery, not a list
    context.close()


def test_right_to_left_articles_read_from_the_right(chromium: Browser, paper: Site) -> None:
    context = chromium.new_context()
    page, _ = opened(context, f"http://127.0.0.1:{paper.port}/feeds/articles/ar/")
    direction = page.locator("h1").evaluate("each => getComputedStyle(each).direction")
    assert direction == "rtl"
    context.close()


def test_leaving_by_the_page_takes_a_click(chromium: Browser, paper: Site) -> None:
    """GET shows, the button acts, and the page says so."""
    paper.run("subscribers", "add", "ada@reader.example", "--newsletter", "daily")
    show = paper.json("subscribers", "show", "ada@reader.example")
    token = token_of(paper, show["subscriptions"][0]["id"])
    context = chromium.new_context(viewport={"width": 390, "height": 800})
    page, complaints = opened(context, f"http://127.0.0.1:{paper.port}/unsubscribe/{token}")
    assert "The Daily" in page.locator("main").inner_text()
    state = paper.json("subscribers", "show", "ada@reader.example")["subscriptions"][0]["state"]
    assert state == "confirmed"
    press(page, "Unsubscribe")
    state = paper.json("subscribers", "show", "ada@reader.example")["subscriptions"][0]["state"]
    assert state == "unsubscribed"
    assert complaints == []
    context.close()


def token_of(site: Site, subscription_id: int) -> str:
    app = App(settings.load(site.folder / "config" / "publisher.toml", {}))
    try:
        link = app.unsubscribe_url(subscription_id, app.keys.current[0])
    finally:
        app.close()
    return link.rpartition("/")[2]
