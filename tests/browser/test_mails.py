"""The mails as a browser shows them: narrow and wide, light and dark, in both directions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests import mails

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SAMPLES = ("daily", "weekly", "alert", "notice-confirm", "notice-data-export")


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    return mails.pages()


@contextmanager
def shown(
    chromium: Browser, html: str, width: int, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    """Without its pictures, as most programs show it at first."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_content(html)
    yield page
    context.close()


@pytest.mark.parametrize("language", mails.LANGUAGES)
def test_nothing_is_wider_than_a_small_phone(
    language: str, chromium: Browser, pages: Mapping[str, str]
) -> None:
    with shown(chromium, "", 320) as page:
        for name in (f"{language}-{sample}" for sample in SAMPLES):
            # Also where the sizes for phones are left out, as Gmail does for others' accounts.
            plain = pages[name].replace("@media (max-width", "@media (min-width")
            for html in (pages[name], plain):
                page.set_content(html)
                assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
                small = page.evaluate(
                    "[...document.querySelectorAll('p, li, a, h1, h2, h3')].filter(each => "
                    "parseFloat(getComputedStyle(each).fontSize) < 13).map(each => each.innerText)"
                )
                assert small == [], name


def test_in_a_wide_window_it_is_one_column(chromium: Browser, pages: Mapping[str, str]) -> None:
    for name in ("en-weekly", "ar-weekly", "de-notice-confirm"):
        with shown(chromium, pages[name], 1200) as page:
            box = page.locator("table.paper").bounding_box()
            assert box
            assert (box["x"], box["width"]) == (300, 600), name


def test_arabic_runs_from_the_right_and_names_within_keep_their_way(
    chromium: Browser, pages: Mapping[str, str]
) -> None:
    with shown(chromium, pages["ar-daily"], 390) as page:
        headline = page.locator("h2 a").bounding_box()
        thumb = page.locator("td.thumb").first.bounding_box()
        words = page.locator("td.text > p.standfirst").first.bounding_box()
        english = page.get_by_role("heading", name="Night ferry").locator("a").bounding_box()
        assert headline
        assert thumb
        assert words
        assert english
        assert headline["x"] + headline["width"] == pytest.approx(390 - 18, abs=1)
        assert thumb["x"] < words["x"]
        assert english["x"] == pytest.approx(18, abs=1)
    with shown(chromium, pages["en-daily"], 390) as page:
        thumb = page.locator("td.thumb").first.bounding_box()
        words = page.locator("td.text > p.standfirst").first.bounding_box()
        assert thumb
        assert words
        assert thumb["x"] > words["x"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("language", ["en", "ar"])
def test_axe_finds_nothing(
    language: str,
    scheme: Literal["light", "dark"],
    chromium: Browser,
    pages: Mapping[str, str],
) -> None:
    tool = AXE.read_text()
    for name in ("daily", "alert", "notice-confirm"):
        with shown(chromium, pages[f"{language}-{name}"], 390, scheme) as page:
            page.evaluate(tool)
            found = page.evaluate(
                # A mail is a part of somebody else's page: landmarks are not ours to set.
                "axe.run({rules: {region: {enabled: false}, "
                "'landmark-one-main': {enabled: false}}})"
            )
            assert found["passes"], name
            wrong = [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
            assert wrong == [], name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_light_and_dark_are_what_they_say(
    scheme: Literal["light", "dark"], chromium: Browser, pages: Mapping[str, str]
) -> None:
    for name in SAMPLES:
        with shown(chromium, pages[f"en-{name}"], 390, scheme) as page:
            colours = page.evaluate(
                "['table.page', 'table.paper'].map(each => "
                "getComputedStyle(document.querySelector(each)).backgroundColor)"
            )
            light = [int(each.strip("rgb()").split(",")[0]) > 127 for each in colours]
            assert light == [scheme == "light"] * 2, name


def test_the_preheader_is_not_seen(chromium: Browser, pages: Mapping[str, str]) -> None:
    for name in ("en-daily", "en-notice-confirm"):
        with shown(chromium, pages[name], 390) as page:
            box = page.locator(".hidden").bounding_box()
            assert box
            assert box["height"] == 0
