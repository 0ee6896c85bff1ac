"""Debian's Chromium, and a site with articles of many kinds to look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.attacks import LISTS
from tests.browser.hostile_paper import Paper, paper_of
from tests.browser.watch import Watch, watching
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import Site, free_port, until
from tests.flow.smtp import SmtpServer
from tests.flow.test_signup import MORE
from tests.programs import needs

PARTS = (
    "<div><div><p>One column.</p></div><div><p>Another one.</p></div></div>"
    f"<table><tr><th>Boat</th>{'<th>Passengers</th>' * 9}</tr>"
    f"<tr><td>Ferry</td>{'<td>thirty-seven</td>' * 9}</tr></table>"
    "<blockquote><p>It left.</p><cite>The mate</cite></blockquote>"
    "<h5>Small</h5><h6>Smaller</h6><dl><dt>Quay</dt><dd>Where boats lie.</dd></dl>"
    f"<pre><code>{'x = 1; ' * 60}</code></pre>"
)
"""As strangers' articles have them: nested, wide, and in every rank."""


# Not for the session: while it is open its event loop runs, and tests with one of their own fail.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = needs("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site with a page of articles in several scripts."""
    site = Site(Path(tmp_path_factory.mktemp("paper")), port=free_port())
    site.write("ferry.md", "The ferry is back", "It left at dawn.", categories="[Harbour]")
    site.write(
        "long.md",
        "A headline that goes on " + "and on " * 20,
        "Averyveryverylongwordwithoutanyplacetobreakit" * 5,
        categories="[Harbour]",
    )
    for language, category, title, text in (
        ("ar", "عالم", "عاد القارب إلى الميناء", "غادر عند الفجر."),
        ("ru", "Мир", "Паром вернулся", "Он ушёл на рассвете."),
        ("ja", "世界", "渡し船が戻った", "夜明けに出航した。"),
    ):
        site.write(f"{language}.md", title, text, categories=f"[{category}]", lang=language)
    site.write(
        "hostile.md",
        "<script>document.title='run'</script>",
        "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>\n\n"
        '<a href="javascript:document.title=1">a link</a>',
        categories="['<b onmouseover=1>']",
    )
    site.write("parts.html", "Parts of a page", PARTS, categories="[Harbour]")
    for number in range(45):
        day = f"{2019 + number // 12}-{1 + number % 12:02}-15"
        site.write(f"filler/{number}.md", f"Filler {number}", categories="[Filler]", date=day)
    # Not left to the daemon: while it takes in old articles it publishes what it has so far.
    site.call("ingest", str(site.folder / "articles"))
    site.call("publish")
    with site.daemon():
        until(lambda: b"Filler 44" in site.get("/feeds/filler/")[1], "the pages")
        until(lambda: site.get("/feeds/")[0] == 200, "the front page, which comes last")
        yield site


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Newsroom, SmtpServer]]:
    """A running site with two newsletters and some categories, and the server of its mails."""
    folder = Path(tmp_path_factory.mktemp("signing"))
    with SmtpServer().running() as server, newsroom(folder, server, more=MORE) as room:
        for number, category in enumerate(("Harbour", "عالم", "Averyvery" * 12)):
            room.site.write(f"{number}.md", f"No. {number}", categories=f"[{category}]")
        with room.site.daemon():
            until(lambda: len(room.site.feed()) == 3, "the articles")
            yield room, server


@pytest.fixture(scope="module")
def watch(chromium: Browser) -> Iterator[Watch]:
    with watching(chromium) as made:
        yield made


@pytest.fixture(scope="module", params=LISTS)
def hostile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Paper]:
    """A newspaper of strangers' words, for each list of such words that is there."""
    with paper_of(Path(tmp_path_factory.mktemp("hostile")), LISTS[request.param]()) as made:
        yield made
