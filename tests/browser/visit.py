"""What every browser test does with a page: open it, press what leads to the next one, ask axe."""

import json
from importlib import resources

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page

_AXE = resources.files("axe_playwright_python").joinpath("axe.min.js")


def opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """The page, and what the browser complained of."""
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    reply = page.goto(address)
    assert reply is not None
    assert reply.ok
    return page, complaints


def turn(what: Locator) -> None:
    """Presses what leads to another page, and waits until that one stands there.

    A click alone returns once the request is on its way: who looks then may still see the former
    page, and who reloads finds none at all.
    """
    with what.page.expect_navigation():
        what.click()


def press(page: Page, name: str) -> None:
    turn(page.get_by_role("button", name=name, exact=True))


def assert_everybody_can_use(page: Page, title: str = "") -> None:
    """axe-core: contrast, names, landmarks, headings and the other rules that a program can try."""
    page.evaluate(_AXE.read_text())
    found = page.evaluate("axe.run()")
    assert found["passes"], title
    assert found["violations"] == [], (title, json.dumps(found["violations"], indent=1)[:3000])
