"""What readers' pages say beside names and addresses comes from the catalogues, word for word."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from babel.support import NullTranslations
from lxml import html

from publisher.kit import translations
from publisher.web.limits import Limits
from publisher.web.words import days
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.smtp import SmtpServer
from tests.flow.test_preferences import leaving, own
from tests.flow.test_signup import ADA, MORE, Visitor, deliver, link, suppress, visitor

NAMES = (
    *("Alerts & <b>More</b>", "The Daily", "Example News", "editor@news.example", "news"),
    *(ADA, "new@reader.example", "Europe/Berlin"),
)
WRITTEN = ("nowhere", "hourly", "Europe/Berln")
BABELS = (*(name for _, name in days("de")), "Februar")


class Marked(NullTranslations):
    """A language whose every sentence stands between marks."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return f"⟦{singular if number == 1 else plural}⟧"


def unmarked(page: str) -> list[str]:
    """The words that a page shows, or tells screen readers, which no catalogue has."""
    root = html.fromstring(page)
    for each in root.xpath("//style | //script | //datalist"):
        each.drop_tree()
    told = root.xpath("//@aria-label | //@title | //@alt | //@placeholder")
    text = " ".join([*root.itertext(), *told])
    while (shorter := re.sub("⟦[^⟦⟧]*⟧", " ", text)) != text:
        text = shorter
    for name in sorted((*NAMES, *WRITTEN, *BABELS), key=len, reverse=True):
        text = text.replace(name, " ")
    return re.findall(r"[^\W\d_]+", text)


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server, more=MORE) as open_room:
        open_room.join("ada")
        open_room.publish("One")  # for a category to choose
        yield open_room


@pytest.fixture
def web(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """One whose language is all marks."""
    monkeypatch.setattr(translations, "of", lambda locale: Marked())
    asking = visitor(room)
    asking.headers = {"Accept-Language": "de"}
    return asking


def says_only_marked(page: httpx2.Response, status: int = 200) -> None:
    assert page.status_code == status, page.text
    assert "⟦" in page.text
    assert unmarked(page.text) == []


def test_a_sentence_without_marks_is_found() -> None:
    assert unmarked("<p>⟦Saved: ⟦The Daily, every day⟧.⟧ <b>Ada</b></p><i title=Go>The Daily") == [
        "Ada",
        "Go",
    ]


DEEDS: list[tuple[str, dict[str, Any]]] = [
    ("save", {"cadence": "weekly", "weekday": "fri", "zone": "Europe/Berlin", "category": "news"}),
    ("save", {"newsletter": "daily"}),
    ("pause", {"until": "2027-02-01"}),
    ("pause-all", {"until": "2027-02-01"}),
    ("resume", {}),
    ("cap", {"most": "1"}),
    ("cap", {"most": "3"}),
    ("cap", {"most": ""}),
    ("join", {"newsletter": "alerts"}),
    ("leave", {}),
    ("address", {"address": "new@reader.example"}),
    ("erase", {}),
    ("erase", {"sure": "yes"}),
]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("save", {"newsletter": "nowhere"}),
    ("save", {"zone": "Europe/Berln"}),
    ("save", {"at": "25:00"}),
    ("save", {"cadence": "hourly"}),
    ("save", {"category": "nowhere"}),
    ("pause", {"until": "nowhere"}),
    ("pause-all", {"until": ""}),
    ("cap", {"most": "0"}),
    ("address", {"address": "nowhere"}),
    ("address", {"address": ""}),
    ("dance", {}),
]


@pytest.mark.parametrize(("deed", "fields"), DEEDS)
async def test_a_readers_own_page_and_what_its_buttons_do(
    room: Newsroom, web: Visitor, deed: str, fields: dict[str, Any]
) -> None:
    page = own(room)
    says_only_marked(await web.get(page))
    says_only_marked(await web.post(page, do=deed, **({"newsletter": "daily"} | fields)))
    if "sure" not in fields:
        says_only_marked(await web.get(page))


@pytest.mark.parametrize(("deed", "fields"), WRONG)
async def test_what_is_wrong_with_a_field(
    room: Newsroom, web: Visitor, deed: str, fields: dict[str, Any]
) -> None:
    answer = await web.post(own(room), do=deed, **({"newsletter": "daily"} | fields))
    says_only_marked(answer, 400)
    [said] = html.fromstring(answer.text).xpath("//*[@role='alert']")
    assert said.text_content().count("⟦") == 2  # "Please look again:", and why


async def test_pages_that_show_or_let_do_less(room: Newsroom, web: Visitor) -> None:
    page, leave = own(room), leaving(room)
    less = await web.get(leave)
    [choosing] = [
        each.get("href")
        for each in html.fromstring(less.text).xpath("//a[contains(@href, '/preferences/')]")
    ]
    limited = choosing.removeprefix(room.app.site.url)
    says_only_marked(await web.get(limited))
    says_only_marked(await web.post(limited, do="erase"), 403)
    says_only_marked(await web.post(page, {"Sec-Fetch-Site": "cross-site"}, do="erase"), 403)
    says_only_marked(await web.post(page, a="x" * 70_000), 413)
    says_only_marked(await web.get("/preferences/nothing"), 400)
    says_only_marked(await web.get("/address/nothing"), 400)
    await web.post(page, do="leave", newsletter="daily")
    says_only_marked(await web.get(page))  # none chosen
    says_only_marked(await web.post(page, do="pause-all", until="2027-02-01"))
    says_only_marked(await web.post(page, do="pause-all", until="nowhere"), 400)
    suppress(room, ADA)
    says_only_marked(await web.get(page))
    await web.post(page, do="erase", sure="yes")
    says_only_marked(await web.get(page), 404)


async def test_too_many_addresses(room: Newsroom, web: Visitor) -> None:
    often = visitor(room, Limits())
    often.headers = web.headers
    for _ in range(11):
        answer = await often.post(own(room), do="address", address="new@reader.example")
    says_only_marked(answer, 400)
    says_only_marked(await often.sign_up(), 429)


async def test_a_new_address(room: Newsroom, server: SmtpServer, web: Visitor) -> None:
    await web.post(own(room), do="address", address="new@reader.example")
    await deliver(room)
    path = link(server.to("new@reader.example")[0], "address")
    says_only_marked(await web.get(path))
    says_only_marked(await web.post(path, {"Sec-Fetch-Site": "cross-site"}), 403)
    says_only_marked(await web.post(path))
    says_only_marked(await web.get(path), 404)


async def test_signing_up_and_confirming(room: Newsroom, server: SmtpServer, web: Visitor) -> None:
    says_only_marked(await web.get("/subscribe"))
    says_only_marked(await web.get("/subscribe?newsletter=daily"))
    for wrong in ({"newsletter": ""}, {"zone": "Europe/Berln"}, {"email": "nowhere"}):
        says_only_marked(await web.sign_up(**wrong), 400)
    says_only_marked(
        await web.sign_up("new@reader.example", newsletter=["daily", "alerts"], category="news")
    )
    await deliver(room)
    path = link(server.to("new@reader.example")[0])
    says_only_marked(await web.get(path))
    says_only_marked(await web.post(path))
    says_only_marked(await web.get("/confirm/nothing"), 400)


async def test_leaving_and_coming_back(room: Newsroom, web: Visitor) -> None:
    path = leaving(room)
    says_only_marked(await web.get(path))
    says_only_marked(await web.post(path, less="weekly"))
    says_only_marked(await web.post(path, less="pause"))
    says_only_marked(await web.post(path, confirm="yes"))
    says_only_marked(await web.post(path, **{"return": "yes"}))
    says_only_marked(await web.get("/unsubscribe/nothing"), 400)
    says_only_marked(await web.get("/nothing"), 404)
