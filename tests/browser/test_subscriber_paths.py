"""From signing up to being forgotten, in a real browser: on a phone too, and without a script."""

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import select

from publisher.store import subscribers, subscriptions
from publisher.store.subscriptions import Subscription
from publisher.store.tables import subscriber
from tests.browser.visit import assert_everybody_can_use, opened, press, turn
from tests.flow.newsroom import Newsroom
from tests.flow.site import until
from tests.flow.smtp import SmtpServer
from tests.flow.test_signup import link

NEW = "new@reader.example"


def own(room: Newsroom, address: str) -> str:
    """The link to a reader's page, as today's mails carry it."""
    with room.app.db.read() as conn:
        reader = subscribers.find(conn, address)
    assert reader is not None
    return room.app.preferences_url(reader.id, reader.token_version, room.app.keys.current[0])


def its(room: Newsroom, address: str, newsletter: str = "daily") -> Subscription:
    with room.app.db.read() as conn:
        reader = subscribers.find(conn, address)
        assert reader is not None
        found = subscriptions.find(conn, reader.id, newsletter)
    assert found is not None
    return found


def leaving(room: Newsroom, address: str) -> str:
    return room.app.unsubscribe_url(its(room, address).id, room.app.keys.current[0])


def context_of(
    chromium: Browser, width: int, scheme: str = "light", *, script: bool = True
) -> BrowserContext:
    return chromium.new_context(
        viewport={"width": width, "height": 844},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
        timezone_id="Asia/Tokyo",
    )


def open_all(page: Page) -> None:
    closed = page.locator("details:not([open]) > summary")
    while closed.count():
        closed.first.click()


@pytest.mark.parametrize("width", [320, 1024])
def test_from_the_first_form_to_being_forgotten_without_a_script(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer], width: int
) -> None:
    room, server = signing
    ada = f"ada{width}@reader.example"
    context = context_of(chromium, width, script=False)
    page = context.new_page()
    page.goto(f"{room.app.site.url}/subscribe?newsletter=daily")
    page.get_by_label("Your mail address").fill(ada)
    press(page, "Subscribe")
    until(lambda: server.to(ada), "the mail")
    page.goto(room.app.site.url + link(server.to(ada)[0]))
    press(page, "Yes, subscribe")
    assert page.locator("h1").inner_text() == "You are subscribed"

    page.goto(own(room, ada))
    page.get_by_label("At", exact=True).fill("18:30")
    page.get_by_label("Time zone").fill("America/New_York")
    press(page, "Save")
    assert "every day at 18:30 (America/New_York)" in page.get_by_role("status").inner_text()
    assert its(room, ada).slot == "daily/daily@18:30[America/New_York]"

    open_all(page)
    page.get_by_label("Send nothing until").fill("2027-01-31")
    press(page, "Pause")
    assert "Paused until January 31, 2027" in page.locator("main").inner_text()
    assert its(room, ada).paused_until is not None
    press(page, "Go on now")
    assert its(room, ada).paused_until is None

    page.goto(leaving(room, ada))
    press(page, "Unsubscribe")
    assert its(room, ada).state == "unsubscribed"
    until(lambda: b"/unsubscribe/" in server.to(ada)[-1].data, "the goodbye")
    page.goto(room.app.site.url + link(server.to(ada)[-1], "unsubscribe"))
    press(page, "Subscribe again")
    assert its(room, ada).state == "confirmed"

    page.goto(own(room, ada))
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download all").click()
    known = json.loads(Path(downloading.value.path()).read_text())
    assert known["reader"]["address"] == ada
    press(page, "Forget me…")
    press(page, "Yes, forget me")
    assert page.locator("h1").inner_text() == "You are forgotten"
    with room.app.db.read() as conn:
        assert ada not in conn.execute(select(subscriber.c.address)).scalars().all()
    context.close()


def test_another_address_is_confirmed_by_its_button(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer]
) -> None:
    room, server = signing
    room.join("bo")
    context = context_of(chromium, 390, script=False)
    page = context.new_page()
    page.goto(own(room, "bo@reader.example"))
    page.get_by_label("Your new address").fill("nobody")
    # The browser itself refuses what is no address; what it lets pass we look at.
    page.get_by_label("Your new address").fill("bo@nowhere")
    press(page, "Change the address")
    assert "is not an address" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Your new address").input_value() == "bo@nowhere"
    page.get_by_label("Your new address").fill(NEW)
    press(page, "Change the address")
    until(lambda: server.to(NEW), "the mail to the new address")
    page.goto(room.app.site.url + link(server.to(NEW)[0], "address"))
    press(page, "Yes, use this address")
    assert page.locator("h1").inner_text() == "Your address is changed"
    until(lambda: server.to("bo@reader.example"), "the mail to the former one")
    assert NEW in context_text(page, own(room, NEW))
    context.close()


def context_text(page: Page, address: str) -> str:
    page.goto(address)
    return page.locator("main").inner_text()


def test_the_zone_is_suggested_by_the_browser_until_one_is_chosen(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer]
) -> None:
    room, _ = signing
    room.join("cy")
    cy = "cy@reader.example"
    context = context_of(chromium, 390)
    page, complaints = opened(context, own(room, cy))
    zone = page.get_by_label("Time zone")
    assert zone.input_value() == "Asia/Tokyo"
    assert page.get_by_text("The time zone is a suggestion").is_visible()
    assert its(room, cy).zone is None
    press(page, "Save")
    assert its(room, cy).zone == "Asia/Tokyo"
    assert page.get_by_text("The time zone is a suggestion").count() == 0
    zone.fill("Europe/Paris")
    press(page, "Save")
    page.reload()
    assert zone.input_value() == "Europe/Paris"
    assert complaints == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_pages_fit_the_screen_and_everybody_can_use_them(
    chromium: Browser, signing: tuple[Newsroom, SmtpServer], width: int, scheme: str
) -> None:
    room, server = signing
    name = f"dee{width}{scheme}"
    dee = f"{name}@reader.example"
    room.join(name)
    room.join(name, newsletter="alerts")
    context = context_of(chromium, width, scheme)

    def look(page: Page, title: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, title
        assert page.locator("h1").count() == 1, title
        assert_everybody_can_use(page, title)
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{title}-{width}-{scheme}.png", full_page=True)

    page, complaints = opened(context, own(room, dee))
    look(page, "preferences-closed")
    open_all(page)
    look(page, "preferences")
    daily = page.locator("section", has=page.get_by_role("heading", name="The Daily"))
    daily.get_by_label("Send nothing until").fill("2027-02-01")
    turn(daily.get_by_role("button", name="Pause", exact=True))
    page.get_by_text("Paused until February 1, 2027", exact=True).wait_for()
    look(page, "paused")
    page.get_by_label("Your new address").fill("new-" + dee)
    press(page, "Change the address")
    look(page, "asked")
    press(page, "Forget me…")
    look(page, "erase")
    until(lambda: server.to("new-" + dee), "the mail to the new address")
    page.goto(room.app.site.url + link(server.to("new-" + dee)[0], "address"))
    look(page, "address")
    page.goto(leaving(room, dee))
    look(page, "unsubscribe")
    turn(page.get_by_role("link", name="Choose fewer"))
    look(page, "limited")
    page.goto(leaving(room, dee))
    press(page, "Unsubscribe")
    look(page, "left")
    assert complaints == []
    context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize(
    ("language", "way", "heading", "paused", "wrong"),
    [
        ("de", "ltr", "Ihre Newsletter", "Pause bis zum 1. Februar 2027", "ist keine Zeitzone"),
        ("ar", "rtl", "نشراتك البريدية", "متوقفة مؤقتًا حتى 1 فبراير 2027", "ليست منطقة زمنية"),
    ],
)
def test_the_page_in_another_language(
    chromium: Browser,
    signing: tuple[Newsroom, SmtpServer],
    width: int,
    language: str,
    way: str,
    heading: str,
    paused: str,
    wrong: str,
) -> None:
    room, _ = signing
    name = f"eve{width}{language}"
    room.join(name)
    context = chromium.new_context(
        viewport={"width": width, "height": 844}, locale=language, timezone_id="Asia/Tokyo"
    )
    page, complaints = opened(context, own(room, f"{name}@reader.example"))
    root = page.locator("html")
    assert (root.get_attribute("lang"), root.get_attribute("dir")) == (language, way)
    assert page.locator("h1").inner_text() == heading
    assert page.evaluate("getComputedStyle(document.querySelector('main')).direction") == way

    def look(title: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, title
        assert_everybody_can_use(page, title)
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{language}-{title}-{width}.png", full_page=True)

    open_all(page)
    look("preferences")
    if width > 320:  # labels of two lines and of one: their fields stand in a row all the same
        hour, weekday = page.evaluate(
            "['at', 'weekday'].map(each => document.querySelector(`[name=${each}]`)"
            ".getBoundingClientRect().bottom)"
        )
        assert abs(hour - weekday) <= 1
    page.locator("[name=until]").first.fill("2027-02-01")
    turn(page.locator("button[value=pause]"))
    page.get_by_text(paused, exact=True).wait_for()
    look("paused")
    page.locator("[name=zone]").fill("Europe/Berln")
    turn(page.locator("button[value=save]"))
    assert wrong in page.get_by_role("alert").inner_text()
    look("wrong")
    turn(page.locator("button[value=erase]"))
    look("erase")
    assert [each for each in complaints if "400" not in each] == []
    context.close()
