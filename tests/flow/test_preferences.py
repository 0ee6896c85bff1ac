"""A reader's own page, leaving, and a change of address, as readers and strangers use them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from publisher.core.identity import address_hash
from publisher.core.model import Cadence
from publisher.core.tokens import Purpose, sign
from publisher.errors import TransientError
from publisher.kit import resources
from publisher.kit.secret import SigningKeys
from publisher.readerstore import ReaderStore
from publisher.store import notices, subscribers, subscriptions, suppressions
from publisher.store.subscribers import Subscriber
from publisher.store.subscriptions import Subscription
from publisher.store.tables import bounce, delivery, subscriber, suppression
from publisher.web.app import create_app
from publisher.webstore import WebStore
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.smtp import SmtpServer
from tests.flow.test_notices import read
from tests.flow.test_signup import (
    ADA,
    MORE,
    Visitor,
    deliver,
    heading,
    last_link,
    link,
    links,
    states,
    suppress,
    tables,
    visitor,
)
from tests.flow.test_web import FROM_ELSEWHERE

NEW = "ada@elsewhere.example"


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server, more=MORE) as open_room:
        open_room.join("ada")
        yield open_room


def reader(room: Newsroom, address: str = ADA) -> Subscriber:
    with room.app.db.read() as conn:
        found = subscribers.find(conn, address)
    assert found is not None
    return found


def its(room: Newsroom, newsletter: str = "daily", address: str = ADA) -> Subscription:
    with room.app.db.read() as conn:
        found = subscriptions.find(conn, reader(room, address).id, newsletter)
    assert found is not None
    return found


def own(room: Newsroom, address: str = ADA) -> str:
    """The path of the link to a reader's page, as today's mails carry it."""
    known = reader(room, address)
    url = room.app.preferences_url(known.id, known.token_version, room.app.keys.current[0])
    return url.removeprefix(room.app.site.url)


def leaving(room: Newsroom) -> str:
    url = room.app.unsubscribe_url(its(room).id, room.app.keys.current[0])
    return url.removeprefix(room.app.site.url)


async def do(room: Newsroom, deed: str, **fields: Any) -> httpx2.Response:
    return await visitor(room).post(own(room), do=deed, **({"newsletter": "daily"} | fields))


# choosing


async def test_the_page_shows_what_one_has(room: Newsroom) -> None:
    page = (await visitor(room).get(own(room))).text
    assert ADA in page
    assert "every day at 07:00 (Europe/Berlin)" in page
    assert "Subscribe to" in page


async def test_all_of_a_choice_is_saved_and_taken_back(room: Newsroom) -> None:
    room.publish("One")
    before = its(room)
    answer = await do(
        room,
        "save",
        cadence="weekly",
        weekday="fri",
        at="18:30",
        zone="Asia/Tokyo",
        category="news",
    )
    assert answer.status_code == 200
    assert "every Friday at 18:30 (Asia/Tokyo)" in answer.text
    chosen = its(room)
    assert chosen.slot == "daily/weekly@fri-18:30[Asia/Tokyo]"
    assert chosen.after_seq == before.after_seq
    await do(room, "save", cadence="daily", at="07:00", zone="Europe/Berlin")
    again = its(room)
    assert (again.cadence, again.at, again.zone) == (None, None, None)
    assert again.slot == "daily/daily@07:00[Europe/Berlin]"
    assert again.after_seq == before.after_seq


async def test_who_takes_all_again_after_some_keeps_all(room: Newsroom) -> None:
    room.site.write("other.md", "Other", category="Other", date=room.now.isoformat())
    room.publish("One")
    await do(room, "save", category="news")
    assert its(room).categories == {"news": 0}
    assert (await do(room, "save")).status_code == 200
    page = (await visitor(room).get(own(room))).text
    assert 'name="category" value="news" checked' not in page
    assert "and *" not in page
    await do(room, "save", at="09:00")
    assert "*" in (its(room).categories or {})
    await do(room, "leave")
    await do(room, "join")
    assert its(room).categories is None
    assert "*" not in its(room).consent["agreed_to"]


async def test_who_lifts_the_cap_gets_at_once_what_it_held_back(room: Newsroom) -> None:
    await do(room, "leave")
    await do(room, "join", newsletter="alerts")
    await do(room, "cap", most="1")
    for title in ("One", "Two"):
        room.publish(title)
        room.wait(minutes=1)
        room.app.planner.plan_due(room.now)
    assert len([row for row in room.rows() if row["edition_id"]]) == 1
    await do(room, "cap", most="")
    room.app.planner.plan_due(room.now)
    assert len([row for row in room.rows() if row["edition_id"]]) == 2


async def test_what_is_agreed_to_on_return_is_what_there_is_now(room: Newsroom) -> None:
    await do(room, "save", cadence="weekly", weekday="fri")
    await do(room, "leave")
    now = dict(room.app.newsletters)
    now["daily"] = replace(now["daily"], cadences=(Cadence.DAILY,))
    room.app.newsletters = now
    said = (await do(room, "join")).text
    assert "every day at 07:00" in said
    assert "every day at 07:00" in its(room).consent["agreed_to"]
    assert its(room).slot.startswith("daily/daily@")


async def test_the_language_of_a_later_sign_up_counts_once_it_is_confirmed(
    room: Newsroom, server: SmtpServer
) -> None:
    await visitor(room).sign_up(newsletter="alerts", locale="de")
    await deliver(room)
    assert reader(room).locale == ""
    await visitor(room).post(last_link(server))
    assert reader(room).locale == "de"
    assert "asked_locale" not in its(room, "alerts").consent
    await deliver(room)
    assert server.to(ADA)[-1].data.count(b"Content-Language: de") == 1


@pytest.mark.parametrize(
    ("deed", "fields"),
    [
        ("save", {"zone": "Europe/Berln"}),
        ("save", {"at": "25:00"}),
        ("save", {"cadence": "hourly"}),
        ("save", {"category": "nowhere"}),
        ("save", {"newsletter": "nowhere"}),
        ("save", {"newsletter": "alerts", "cadence": "daily"}),
        ("pause", {"until": "2026-11-02"}),
        ("pause", {"until": "soon"}),
        ("pause", {"until": "2226-11-02"}),
        ("pause-all", {"until": ""}),
        ("cap", {"most": "0"}),
        ("cap", {"most": "many"}),
        ("address", {"address": "ada@nowhere"}),
        ("address", {"address": "ada@a.example, bo@b.example"}),
        ("pause", {"until": ""}),
        ("dance", {}),
        ("", {}),
    ],
)
async def test_what_cannot_be_is_said_and_changes_nothing(
    room: Newsroom, deed: str, fields: dict[str, str]
) -> None:
    before = tables(room)
    answer = await do(room, deed, **fields)
    assert answer.status_code == 400
    assert "Please look again" in answer.text
    assert tables(room) == before


async def test_a_pause_ends_on_its_day_where_the_reader_lives(room: Newsroom) -> None:
    await do(room, "save", zone="Asia/Tokyo")
    page = await do(room, "pause", until="2026-11-10")
    assert "Paused until November 10, 2026" in page.text
    assert its(room).paused_until == datetime(2026, 11, 9, 15, tzinfo=UTC)
    room.publish("Meanwhile")
    assert room.plan() == 0
    await do(room, "resume")
    assert its(room).paused_until is None
    assert room.plan() == 1


@pytest.mark.parametrize(
    ("language", "save", "pause"),
    [
        (
            "de",
            "Gespeichert: The Daily, jeden Freitag um 18:30 Uhr (Asia/Tokyo): news.",
            "Pause bis zum 10. November 2026; was inzwischen erscheint, kommt danach.",
        ),
        (
            "ar",
            "حُفظ: \u2068\u2068The Daily\u2069، كل يوم الجمعة الساعة 18:30 (Asia/Tokyo): "
            "\u2068news\u2069\u2069.",
            "متوقفة مؤقتًا حتى \u206810 نوفمبر 2026\u2069؛ وما يُنشر خلال ذلك يصلك بعده.",
        ),
        (
            "ru",
            "Сохранено: The Daily, раз в неделю, пятница, 18:30 (Asia/Tokyo): news.",
            "Приостановлено до 10 ноября 2026\u202fг.; что выйдет за это время, придёт потом.",
        ),
    ],
)
async def test_what_is_done_is_said_in_the_language_of_the_browser(
    room: Newsroom, language: str, save: str, pause: str
) -> None:
    room.site.write("ferry.md", "Back", categories="[Harbour]", date=room.now.isoformat())
    room.publish("One")
    web = visitor(room)
    web.headers = {"Accept-Language": language}
    choice = {"cadence": "weekly", "weekday": "fri", "at": "18:30", "zone": "Asia/Tokyo"}
    page = await web.post(own(room), do="save", newsletter="daily", category="news", **choice)
    assert save in page.text
    page = await web.post(own(room), do="pause", newsletter="daily", until="2026-11-10")
    assert pause in page.text
    web.headers = {"Accept-Language": "fr"}
    page = await web.post(own(room), do="cap", newsletter="daily", most="1")
    assert "au plus 1 message par jour\u00a0;" in page.text


async def test_a_pause_of_all_and_at_most_so_many_a_day(room: Newsroom) -> None:
    await do(room, "join", newsletter="alerts")
    await do(room, "pause-all", until="2026-12-01")
    assert its(room).paused_until == its(room, "alerts").paused_until != None  # noqa: E711
    for slug in ("daily", "alerts"):
        await do(room, "resume", newsletter=slug)
    await do(room, "cap", most="1")
    assert reader(room).max_per_day == 1
    room.publish("One")
    assert room.plan() == 1
    room.publish("Two")
    assert room.plan() == 0
    room.wait(days=1)
    assert room.plan() == 1
    await do(room, "cap", most="")
    assert reader(room).max_per_day is None


async def test_another_newsletter_begins_at_once_and_the_record_says_how(room: Newsroom) -> None:
    room.publish("Before")
    page = await do(room, "join", newsletter="alerts")
    assert page.status_code == 200
    joined = its(room, "alerts")
    assert joined.state == "confirmed"
    assert joined.consent["how"] == "chosen on the reader's own page"
    assert joined.consent["given_from"] == "192.0.2.1"
    assert room.plan("alerts") == 0


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
async def test_a_page_of_another_site_changes_nothing(
    room: Newsroom, headers: dict[str, str]
) -> None:
    web, before = visitor(room), tables(room)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    for path, form in (
        (own(room), {"do": "erase", "sure": "yes"}),
        (leaving(room), {"return": "1"}),
    ):
        assert (await web.post(path, sent, **form)).status_code == 403
    assert tables(room) == before


async def test_only_the_page_that_guesses_the_zone_runs_a_script(room: Newsroom) -> None:
    web = visitor(room)
    page, other = await web.get(own(room)), await web.get(leaving(room))
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "script" not in other.headers["content-security-policy"]
    assert "data-guess=" in page.text
    await do(room, "save", zone="Asia/Tokyo")
    assert "data-guess=" not in (await web.get(own(room))).text


# leaving and coming back


async def test_less_is_offered_before_none(room: Newsroom) -> None:
    web = visitor(room)
    page = await web.get(leaving(room))
    assert heading(page).startswith("Less of")
    assert (await web.post(leaving(room), less="weekly")).status_code == 200
    assert its(room).cadence is Cadence.WEEKLY
    assert "Once a week" not in (await web.get(leaving(room))).text
    await web.post(leaving(room), less="pause")
    assert its(room).paused_until == datetime(2026, 12, 1, 23, tzinfo=UTC)
    assert its(room).state == "confirmed"
    [choosing] = [each for each in hrefs(page) if "/preferences/" in each]
    limited = await web.get(choosing)
    assert limited.status_code == 200
    assert ADA not in limited.text


def hrefs(page: httpx2.Response) -> list[str]:
    parts = page.text.split('href="')[1:]
    paths = [part.split('"')[0] for part in parts]
    return ["/" + each.split("/", 3)[3] for each in paths if each.startswith("http")]


async def test_who_left_gets_one_goodbye_and_finds_the_way_back(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room)
    await web.post(own(room), do="join", newsletter="alerts")
    done = await web.post(leaving(room), confirm="yes")
    assert "Subscribe again" in done.text
    await web.post(own(room), do="leave", newsletter="alerts")
    assert set(states_of(room)) == {"unsubscribed"}
    await deliver(room)
    [goodbye] = server.to(ADA)
    way_back = link(goodbye, "unsubscribe")
    room.publish("Meanwhile")
    before = tables(room)
    page = await web.get(way_back)
    assert heading(page).startswith("You are unsubscribed from")
    assert tables(room) == before
    back = await web.post(way_back, **{"return": "yes"})
    assert heading(back) == "You are subscribed"
    assert its(room).state == "confirmed"
    assert its(room).consent["how"] == "came back by the link in a mail"
    assert room.plan() == 0  # what came out meanwhile is not sent
    room.wait(days=1, minutes=1)
    await web.post(way_back, confirm="yes")
    await deliver(room)
    assert len(server.to(ADA)) == 2


async def test_leaving_and_its_goodbye_are_kept_together_or_not_at_all(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> bool:
        raise TransientError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(notices, "enqueue", fails)
        assert (await visitor(room).post(leaving(room), confirm="yes")).status_code == 503
    assert states_of(room) == ["confirmed"]
    await visitor(room).post(leaving(room), confirm="yes")
    assert states_of(room) == ["unsubscribed"]
    with room.app.db.read() as conn:
        assert notices.counts(conn) == {"pending": 1}


async def test_whom_the_operator_takes_off_the_list_gets_no_goodbye(room: Newsroom) -> None:
    room.site.call("subscribers", "unsubscribe", ADA, "--newsletter", "daily")
    assert states_of(room) == ["unsubscribed"]
    with room.app.db.read() as conn:
        assert notices.counts(conn) == {}


async def test_where_there_are_no_newsletters_any_more_one_can_still_leave(
    room: Newsroom,
) -> None:
    app, path = room.app, leaving(room)
    web = Visitor(
        create_app(
            site=app.site,
            feeds=app.output.directory,
            store=ReaderStore(app.db, {}, app.suppression_key),
            past=WebStore(app.db),
            keys=app.keys.all,
            clock=room.clock,
            ready=lambda: None,
        )
    )
    page = await web.get(path)
    assert heading(page).startswith("Unsubscribe from")
    assert "The Daily" in page.text
    done = await web.post(path, confirm="yes")
    for answer in (done, await web.get(path)):
        assert heading(answer).startswith("You are unsubscribed from")
        assert "The Daily" in answer.text
    assert "Subscribe again" not in done.text
    assert states_of(room) == ["unsubscribed"]
    with app.db.read() as conn:
        assert notices.counts(conn) == {}


def states_of(room: Newsroom) -> list[str]:
    with room.app.db.read() as conn:
        return [each.state.value for each in subscriptions.of_reader(conn, reader(room).id)]


async def test_one_click_needs_nothing_else(room: Newsroom) -> None:
    answer = await visitor(room).post(leaving(room), **{"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert states(room)[ADA] == "unsubscribed"


async def test_nobody_comes_back_who_may_get_no_mail(room: Newsroom) -> None:
    web = visitor(room)
    await web.post(leaving(room), confirm="yes")
    suppress(room, ADA)
    assert "Subscribe again" not in (await web.get(leaving(room))).text
    await web.post(leaving(room), **{"return": "yes"})
    await web.post(own(room), do="join", newsletter="daily")
    assert its(room).state == "unsubscribed"


# another address


async def test_an_address_is_changed_by_its_new_owner_and_the_old_one_is_told(
    room: Newsroom, server: SmtpServer
) -> None:
    web, old_page = visitor(room), own(room)
    page = await do(room, "address", address=NEW)
    assert "look into the inbox of the new address" in page.text
    await deliver(room)
    [mail] = server.to(NEW)
    assert ADA not in mail.data.decode()
    assert not any("/preferences/" in each for each in links(mail))
    path = link(mail, "address")
    before = tables(room)
    assert NEW in (await web.get(path)).text
    assert tables(room) == before
    assert reader(room).address == ADA
    assert heading(await web.post(path)) == "Your address is changed"
    assert reader(room, NEW).token_version == 2
    assert (await web.post(path)).status_code == 404
    await deliver(room)
    [last] = server.to(ADA)
    assert b"another address" in last.data
    assert b"elsewhere.example" not in last.data
    # An old mail's link still chooses and leaves, and tells nothing of the new address.
    limited = await web.get(old_page)
    assert limited.status_code == 200
    assert NEW not in limited.text
    for deed in ("data", "erase", "address", "join"):
        sent = {"do": deed, "sure": "yes", "address": "eve@eve.example", "newsletter": "alerts"}
        assert (await web.post(old_page, **sent)).status_code == 403, deed
    assert (await web.post(old_page, do="leave", newsletter="daily")).status_code == 200
    assert states(room)[NEW] == "unsubscribed"


async def test_what_waits_follows_to_the_new_address(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    await do(room, "address", address=NEW)
    await deliver(room)
    room.publish("Waits")
    room.plan()
    with room.app.db.write() as conn:
        conn.execute(
            bounce.insert().values(subscriber_id=reader(room).id, kind="hard", received_at=room.now)
        )
        conn.execute(subscriber.update().values(state="bouncing"))
    await web.post(link(server.to(NEW)[0], "address"))
    assert reader(room, NEW).state == "active"
    with room.app.db.read() as conn:
        assert conn.execute(select(bounce.c.subscriber_id)).scalars().all() == [None]
        of_editions = select(delivery.c.domain).where(delivery.c.edition_id.is_not(None))
        assert conn.execute(of_editions).scalars().all() == ["elsewhere.example"]
    await deliver(room)
    assert any(b"Waits" in each.data for each in server.to(NEW))


async def test_anothers_address_is_not_given_away(room: Newsroom, server: SmtpServer) -> None:
    room.join("bo")
    free = await do(room, "address", address=NEW)
    taken = await do(room, "address", address="Bo@Reader.example")
    assert (taken.status_code, taken.text) == (free.status_code, free.text)
    await deliver(room)
    [told] = server.to("bo@reader.example")
    assert not any(each.startswith("/address/") for each in links(told))
    assert ADA not in told.data.decode()
    # One that became a reader's after it was asked for stays that reader's.
    room.join("cy", address=NEW)
    assert (await visitor(room).post(link(server.to(NEW)[0], "address"))).status_code == 404
    assert reader(room).address == ADA


async def test_an_address_is_asked_once_a_day_and_a_suppressed_one_never(
    room: Newsroom, server: SmtpServer
) -> None:
    for _ in range(3):
        await do(room, "address", address=NEW)
        room.wait(minutes=1)
    hashed = address_hash("eve@eve.example", room.app.suppression_key)
    with room.app.db.write() as conn:
        row = {"address_hash": hashed, "reason": "complaint", "since": room.now}
        conn.execute(suppression.insert().values(**row))
    page = await do(room, "address", address="eve@eve.example")
    assert page.status_code == 200
    await deliver(room)
    assert server.copies() == {NEW: 1}


async def bounce_thrice(room: Newsroom, server: SmtpServer) -> None:
    server.always("RCPT", "550 5.1.1 no such user", of=ADA)
    for number in range(3):
        room.publish(f"Article {number}")
        assert room.plan() == 1
        await deliver(room)
        room.wait(days=1)
    server.forget_orders()
    assert reader(room).state == "suppressed"


async def test_who_bounced_comes_back_by_another_address(
    room: Newsroom, server: SmtpServer
) -> None:
    await bounce_thrice(room, server)
    room.publish("Meanwhile")
    assert room.plan() == 0
    page = await do(room, "address", address=NEW)
    assert "another address below" in page.text
    assert "another address below" not in (await visitor(room).get(leaving(room))).text
    await deliver(room)
    assert server.copies() == {NEW: 1}
    path = link(server.to(NEW)[0], "address")
    assert NEW in (await visitor(room).get(path)).text
    assert reader(room).state == "suppressed"
    assert (await visitor(room).post(path)).status_code == 200
    assert reader(room, NEW).state == "active"
    assert room.plan() == 1
    await deliver(room)
    assert server.copies() == {NEW: 2}  # nothing to where mails come back from
    assert b"Meanwhile" in server.to(NEW)[-1].data
    with room.app.db.read() as conn:
        hashed = address_hash(ADA, room.app.suppression_key)
        assert suppressions.reason(conn, hashed) == "bounced"
    room.check_books()


@pytest.mark.parametrize("why", ["complained", "by the operator", "complained meanwhile"])
async def test_no_other_address_helps_who_is_suppressed_for_more(
    room: Newsroom, server: SmtpServer, why: str
) -> None:
    if why == "by the operator":
        suppress(room, ADA)
    else:
        await bounce_thrice(room, server)
    if why == "complained":
        complain(room)
    page = await do(room, "address", address=NEW)
    assert ("Write to us, and we put it right" in page.text) == (why != "complained meanwhile")
    await deliver(room)
    if why != "complained meanwhile":
        assert server.mails == []
        return
    complain(room)
    path = link(server.to(NEW)[0], "address")
    assert (await visitor(room).get(path)).status_code == 404
    assert (await visitor(room).post(path)).status_code == 404
    assert reader(room).state == "suppressed"


def complain(room: Newsroom) -> None:
    with room.app.db.write() as conn:
        row = {"subscriber_id": reader(room).id, "kind": "complaint", "received_at": room.now}
        conn.execute(bounce.insert().values(**row))


async def test_what_is_not_confirmed_in_time_is_forgotten(
    room: Newsroom, server: SmtpServer
) -> None:
    await do(room, "address", address=NEW)
    await deliver(room)
    room.wait(days=3)
    room.app.forget()
    assert (await visitor(room).get(link(server.to(NEW)[0], "address"))).status_code == 404


# data, and what links are worth


async def test_all_that_is_known_is_downloaded(room: Newsroom) -> None:
    room.publish("A boat")
    room.plan()
    await deliver(room)
    answer = await do(room, "data")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    known = json.loads(answer.text)
    assert known["reader"]["address"] == ADA
    assert known["subscriptions"][0]["newsletter"] == "daily"
    assert known["mails"][0]["titles"] == ["A boat"]
    assert known["mails"][0]["state"] == "sent"


async def test_who_downloads_is_told_once_a_day_in_their_own_time(
    room: Newsroom, server: SmtpServer
) -> None:
    await do(room, "save", zone="Asia/Tokyo")
    with room.app.db.write() as conn:
        conn.execute(subscriber.update().values(locale="de"))
    for _ in range(2):
        assert (await do(room, "data")).status_code == 200
        room.wait(minutes=1)
    await deliver(room)
    [mail] = server.to(ADA)
    message, text, _ = read(mail)
    assert message["Subject"] == "Ihre Daten bei Example News wurden heruntergeladen"
    assert "Am 2. November 2026 um 18:00 wurde" in " ".join(text.split())
    assert "Und schreiben Sie uns bitte." in text
    assert own(room) in links(mail)
    assert (await visitor(room).get(link(mail, "preferences"))).status_code == 200
    room.wait(days=1)
    assert (await do(room, "data")).json()["notices"][0]["kind"] == "data-export"
    await deliver(room)
    assert len(server.to(ADA)) == 2
    room.check_books()


async def test_who_chose_no_zone_is_told_the_time_of_their_newsletter(
    room: Newsroom, server: SmtpServer
) -> None:
    now = dict(room.app.newsletters)
    now["daily"] = replace(now["daily"], zone="America/New_York")
    room.app.newsletters = now
    await do(room, "data")
    await deliver(room)
    assert "on November 2, 2026 at 4:00" in " ".join(read(server.to(ADA)[0])[1].split())


async def test_who_may_get_no_mail_is_not_told_of_a_download(
    room: Newsroom, server: SmtpServer
) -> None:
    suppress(room, ADA)
    assert (await do(room, "data")).json()["reader"]["state"] == "suppressed"
    await deliver(room)
    assert server.mails == []


async def test_links_outlive_a_change_of_keys(room: Newsroom) -> None:
    old = {"own": own(room), "leaving": leaving(room)}
    former = room.app.keys
    room.app.keys = SigningKeys(  # as read from a file with one more line
        current=("k2", b"2" * 32), all={**former.all, "k2": b"2" * 32}
    )
    web = visitor(room)
    assert own(room) != old["own"]
    for path in (*old.values(), own(room), leaving(room)):
        assert (await web.get(path)).status_code == 200
    room.app.keys = SigningKeys(current=("k2", b"2" * 32), all={"k2": b"2" * 32})
    assert (await visitor(room).get(old["own"])).status_code == 400


@pytest.mark.parametrize("payload", [[], [1], ["1", 1], [1, "1"], [1, 1, 1], [1, None]])
async def test_what_we_did_not_sign_so_is_no_link(room: Newsroom, payload: list[Any]) -> None:
    key_id, key = room.app.keys.current
    web = visitor(room)
    token = sign(Purpose.PREFERENCES, payload, key_id, key)
    assert (await web.get(f"/preferences/{token}")).status_code == 400
    if len(payload) < 3:
        token = sign(Purpose.ADDRESS, payload, key_id, key)
        assert (await web.get(f"/address/{token}")).status_code == 400


async def test_looking_changes_nothing(room: Newsroom) -> None:
    web: Visitor = visitor(room)
    before = tables(room)
    for path in (own(room), leaving(room)):
        for method in ("GET", "HEAD") * 3:
            assert (await web.get(path, method)).status_code == 200
    assert tables(room) == before


async def test_a_mail_carries_the_link_to_its_readers_page(
    room: Newsroom, server: SmtpServer
) -> None:
    room.publish("A boat")
    own_templates = room.site.folder / "templates" / "email"
    own_templates.mkdir(parents=True)
    ours = (resources.folder("templates/email") / "digest.txt").read_text()
    (own_templates / "digest.txt").write_text(ours + "\n{{ reader.preferences_url }}\n")
    room.plan()
    await deliver(room)
    assert own(room) in links(server.to(ADA)[0])
