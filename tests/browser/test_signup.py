"""Signing up in a real browser: without a script, on a narrow screen, and by the forms as sent."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.visit import assert_everybody_can_use, opened, press
from tests.flow.newsroom import Newsroom
from tests.flow.site import until
from tests.flow.smtp import SmtpServer
from tests.flow.test_signup import link, states

ADA = "ada@reader.example"


def plain(chromium: Browser, width: int = 320) -> BrowserContext:
    return chromium.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1024])
def test_pages_fit_the_screen_and_everybody_can_use_them(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer], width: int, scheme: str
) -> None:
    room, _ = signing
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    for path in ("/subscribe", "/subscribe?newsletter=daily", "/subscribe?newsletter=alerts"):
        page, complaints = opened(context, f"{room.app.site.url}{path}")
        assert complaints == [], path
        for details in page.locator("summary").all():
            details.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert_everybody_can_use(page, path)
        page.close()
    context.close()


def test_from_the_form_to_the_button_without_a_script(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer]
) -> None:
    room, server = signing
    context = plain(chromium)
    page = context.new_page()
    page.goto(f"{room.app.site.url}/subscribe?newsletter=daily")
    page.get_by_label("Your mail address").fill(ADA)
    page.get_by_label("Once a week", exact=True).check()
    page.get_by_label("Harbour").check()
    page.get_by_label("Once a week: on").select_option("Friday")
    press(page, "Subscribe")
    assert page.locator("h1").inner_text() == "Please look into your inbox"
    until(lambda: server.to(ADA), "the mail")
    page.goto(room.app.site.url + link(server.to(ADA)[0]))
    assert "The Daily, every Friday at 07:00 (Europe/Berlin): Harbour" in page.content()
    press(page, "Yes, subscribe")
    assert page.locator("h1").inner_text() == "You are subscribed"
    assert states(room)[ADA] == "confirmed"
    context.close()


def test_a_slip_of_the_pen_loses_nothing_that_was_filled_in(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer]
) -> None:
    room, _ = signing
    context = plain(chromium)
    page = context.new_page()
    page.goto(f"{room.app.site.url}/subscribe")
    page.get_by_label("Your mail address").fill("ada@nowhere")
    page.get_by_label("Your name, if you like").fill('Ada "the" <b>')
    page.get_by_label("The Daily").check()
    page.locator("summary").first.click()
    page.get_by_label("Harbour").first.check()
    page.get_by_label("Time zone").first.fill("Asia/Tokyo")
    press(page, "Subscribe")
    assert "is not an address" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Your mail address").input_value() == "ada@nowhere"
    assert page.get_by_label("Your name, if you like").input_value() == 'Ada "the" <b>'
    assert page.get_by_label("The Daily").is_checked()
    assert page.get_by_label("Harbour").first.is_checked()
    assert page.get_by_label("Time zone").first.input_value() == "Asia/Tokyo"
    context.close()


def test_the_form_of_our_page_about_it_works_on_any_site(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer], tmp_path: Path
) -> None:
    room, server = signing
    about = Path(__file__).parents[2] / "docs" / "signup.md"
    [form] = [part.split("```")[0] for part in about.read_text().split("```html\n")[1:]]
    form = form.replace("https://news.example", room.app.site.url)
    (tmp_path / "blog.html").write_text(f"<!doctype html><title>Blog</title>{form}")
    context = plain(chromium)
    page = context.new_page()
    page.goto((tmp_path / "blog.html").as_uri())
    page.get_by_label("Your mail address").fill("bo@reader.example")
    press(page, "Subscribe")
    assert page.locator("h1").inner_text() == "Please look into your inbox"
    until(lambda: server.to("bo@reader.example"), "the mail")
    assert states(room)["bo@reader.example"] == "pending"
    context.close()
