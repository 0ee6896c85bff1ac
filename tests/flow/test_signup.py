"""Signing up as people, programs and strangers do it: by form, by mail and by the API."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import event, select, update

from publisher.core.signup import payload
from publisher.core.tokens import Purpose, sign
from publisher.readerstore import ReaderStore
from publisher.store import notices, subscribers, subscriptions
from publisher.store.tables import metadata, subscriber, subscription
from publisher.web.app import Subscribing, create_app
from publisher.web.limits import Limits
from publisher.webstore import Editions, WebStore
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until
from tests.flow.smtp import Mail, SmtpServer
from tests.flow.test_web import FROM_ELSEWHERE, FROM_HERE

ADA = "ada@reader.example"
TOKEN = "a token of the operator"
ERASE = {"do": "erase", "sure": "yes"}
UNLIMITED = Limits(of_client=(), of_network=(), of_domain=())
MORE = """
[[newsletters]]
slug = "alerts"
title = "Alerts & <b>More</b>"
cadences = ["immediate"]
window = 1
"""


@dataclass
class Visitor:
    """A client of the application, without the network between them."""

    app: Any
    host: str = "192.0.2.1"
    headers: Mapping[str, str] = field(default_factory=dict)

    def _client(self) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=self.app, client=(self.host, 1234))
        return httpx2.AsyncClient(
            transport=transport, base_url="http://news.example", headers=self.headers
        )

    async def get(self, path: str, method: str = "GET") -> httpx2.Response:
        async with self._client() as client:
            return await client.request(method, path)

    async def post(self, path: str, headers: Any = None, **fields: Any) -> httpx2.Response:
        async with self._client() as client:
            return await client.post(path, data=fields, headers=headers)

    async def sign_up(self, email: str = ADA, **fields: Any) -> httpx2.Response:
        return await self.post("/subscribe", email=email, **({"newsletter": "daily"} | fields))

    async def api(self, said: Any, token: str = TOKEN) -> httpx2.Response:
        async with self._client() as client:
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return await client.post("/api/subscribers", content=body, headers=headers)


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server, more=MORE) as open_room:
        yield open_room


def visitor(room: Newsroom, limits: Limits = UNLIMITED, host: str = "192.0.2.1") -> Visitor:
    app = room.app
    readers = ReaderStore(app.db, app.newsletters, app.suppression_key)
    return Visitor(
        create_app(
            site=app.site,
            feeds=app.output.directory,
            store=readers,
            past=WebStore(app.db),
            editions=Editions(app.db, app.renderer, app.site, room.clock),
            keys=app.keys.all,
            clock=room.clock,
            ready=lambda: None,
            subscribing=Subscribing(
                newsletters=app.newsletters,
                store=readers,
                api_token=TOKEN,
                limits=limits,
            ),
        ),
        host,
    )


async def deliver(room: Newsroom) -> None:
    await room.app.deliver()


def links(mail: Mail) -> list[str]:
    """The paths of our own pages that a mail leads to, in its header, its text and its HTML."""
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    parts = [str(message["List-Unsubscribe"] or "")]
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        parts.append(part.get_content())
    found = re.findall(r"http://127\.0\.0\.1:\d+(/[^\s\"<>]*)", "\n".join(parts))
    return list(dict.fromkeys(found))


def link(mail: Mail, kind: str = "confirm") -> str:
    [found] = [each for each in links(mail) if each.startswith(f"/{kind}/")]
    return found


def last_link(server: SmtpServer, kind: str = "confirm") -> str:
    """In the last mail that has one of this kind: mails of the same moment come in any order."""
    return [each for mail in server.mails for each in links(mail) if f"/{kind}/" in each][-1]


def tables(room: Newsroom) -> dict[str, list[Any]]:
    with room.app.db.read() as conn:
        return {
            table.name: sorted(map(repr, conn.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }


def states(room: Newsroom) -> dict[str, str]:
    """Of each subscription to the daily, by address."""
    with room.app.db.read() as conn:
        rows = conn.execute(
            select(subscriber.c.address, subscription.c.state)
            .join(subscription, subscription.c.subscriber_id == subscriber.c.id)
            .where(subscription.c.newsletter == "daily")
        )
        return {row.address: row.state for row in rows}


def suppress(room: Newsroom, address: str) -> None:
    with room.app.db.write() as conn:
        conn.execute(
            update(subscriber).where(subscriber.c.address == address).values(state="suppressed")
        )


def heading(answer: httpx2.Response) -> str:
    [found] = re.findall(r"<h1>(.*?)</h1>", answer.text)
    return str(found)


# from the form to the first issue


async def test_from_the_form_to_the_first_issue(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    page = await web.get("/subscribe?newsletter=daily")
    assert page.status_code == 200
    assert 'name="email"' in page.text
    answer = await web.sign_up(name="Ada", cadence="weekly", weekday="fri", at="18:30")
    assert answer.status_code == 200
    assert heading(answer) == "Please look into your inbox"
    await deliver(room)
    [mail] = server.mails
    page = await web.get(link(mail))
    assert page.status_code == 200
    assert page.text.count("<button") == 1
    assert "The Daily, every Friday at 18:30 (Europe/Berlin)" in page.text
    assert ADA in page.text
    assert states(room) == {ADA: "pending"}
    done = await web.post(link(mail))
    assert done.status_code == 200
    assert heading(done) == "You are subscribed"
    assert states(room) == {ADA: "confirmed"}
    await deliver(room)
    room.publish("One")
    room.wait(days=7)
    assert room.app.planner.plan_due(room.now) == 1
    await deliver(room)
    subjects = [message_from_bytes(each.data)["Subject"] for each in server.mails]
    assert subjects == ["Please confirm: The Daily", "Welcome to The Daily", "The Daily: One"]
    assert server.copies() == {ADA: 3}


async def test_confirmed_again_it_is_the_same_page(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    await web.sign_up()
    await deliver(room)
    path = link(server.mails[0])
    first = await web.post(path)
    before = tables(room)
    again = await web.post(path)
    looked = await web.get(path)
    assert first.content == again.content == looked.content
    assert tables(room) == before


async def test_one_button_confirms_several_or_those_that_stay_ticked(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room)
    await web.sign_up(newsletter=["daily", "alerts"])
    await deliver(room)
    path = link(server.mails[0])
    page = await web.get(path)
    assert page.text.count('<input type="checkbox"') == 2
    nothing = await web.post(path, choosing="yes", confirm="yes")
    assert nothing.status_code == 400
    assert states(room) == {ADA: "pending"}
    assert (await web.post(path, choosing="yes", newsletter="alerts")).status_code == 200
    assert states(room) == {ADA: "pending"}
    with room.app.db.read() as conn:
        assert subscriptions.counts(conn) == {"alerts": 1}


def test_over_real_sockets_by_the_daemon(tmp_path: Path, server: SmtpServer) -> None:
    with newsroom(tmp_path, server) as room:
        with room.site.daemon():
            status, body = room.site.get("/subscribe", b"email=ada%40reader.example&name=Ada")
            assert (status, b"inbox" in body) == (200, True)
            until(lambda: server.to(ADA), "the confirmation")
            path = link(server.to(ADA)[0])
            for _ in range(3):
                assert room.site.get(path)[0] == 200
            assert states(room) == {ADA: "pending"}
            assert room.site.get(path, b"confirm=yes")[0] == 200
            assert states(room) == {ADA: "confirmed"}
            until(lambda: len(server.to(ADA)) == 2, "the welcome")
            said = room.site.call("explain", ADA)
        assert re.search(
            r"daily: confirmed; agreed at .*, confirmed by mail, from 127\.0\.0\.1", said
        )
        assert "to The Daily, every day at 07:00 (Europe/Berlin)" in said
        assert "notice to confirm" in said
        assert ADA not in room.site.log()


async def test_a_feeds_only_site_has_no_sign_up(room: Newsroom) -> None:
    app = room.app
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
    for path in ("/subscribe", "/confirm/x"):
        assert (await web.get(path)).status_code == 404
    assert (await web.api({"email": ADA})).status_code == 404


# one mail a day, and nobody can tell who is known


async def test_posted_again_and_again_each_victim_gets_one_mail(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room)
    victims = [f"victim{number}@reader.example" for number in range(10)]
    async with web._client() as client:
        for number in range(300):
            form = {"email": victims[number % 10], "newsletter": ["daily", "alerts"][number % 2]}
            assert (await client.post("/subscribe", data=form)).status_code == 200
    await deliver(room)
    assert server.copies() == dict.fromkeys(victims, 1)


@pytest.mark.slow
async def test_ten_thousand_posts_for_ten_victims(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)

    async def post(start: int) -> None:
        async with web._client() as client:
            for number in range(start, 10_000, 10):
                form = {"email": f"victim{number % 10}@reader.example", "newsletter": "daily"}
                assert (await client.post("/subscribe", data=form)).status_code == 200

    await asyncio.gather(*(post(start) for start in range(10)))
    await deliver(room)
    assert Counter(each.recipient for each in server.arrived).total() == 10
    assert len(server.copies()) == 10


async def test_answer_and_work_are_the_same_for_everybody(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room)
    room.join("active", "left", "suppressed")
    suppress(room, "suppressed@reader.example")
    with room.app.db.write() as conn:
        reader = subscribers.find(conn, "left@reader.example")
        assert reader is not None
        [joined] = subscriptions.of_reader(conn, reader.id)
        subscriptions.unsubscribe(conn, joined.id, by="page", now=room.now)
    await web.sign_up("waiting@reader.example")
    seen: dict[str, tuple[int, bytes, Any]] = {}
    said: dict[str, list[str]] = {}
    for name in ("new", "waiting", "active", "left", "suppressed"):
        for kind in ("form", "api"):
            statements: list[str] = []

            def note(_c: Any, _cursor: Any, text: str, *_: Any, to: Any = statements) -> None:
                to.append(text)

            event.listen(room.app.db.engine, "before_cursor_execute", note)
            address = f"{name}@reader.example"
            if kind == "form":
                answer = await web.sign_up(address)
            else:
                answer = await web.api({"email": address, "newsletter": "daily"})
            event.remove(room.app.db.engine, "before_cursor_execute", note)
            seen[f"{kind} {name}"] = (
                answer.status_code,
                answer.content,
                sorted(answer.headers.items()),
            )
            said[f"{kind} {name}"] = statements
    for kind, status in (("form", 200), ("api", 202)):
        of_kind = [seen[each] for each in seen if each.startswith(kind)]
        assert of_kind == [of_kind[0]] * 5
        assert of_kind[0][0] == status
    assert len({tuple(each) for each in said.values()}) == 1
    await deliver(room)
    assert sorted(server.copies()) == [
        f"{name}@reader.example" for name in ("active", "left", "new", "waiting")
    ]
    [known] = server.to("active@reader.example")
    assert message_from_bytes(known.data)["Subject"] == "You already receive The Daily"
    assert states(room)["active@reader.example"] == "confirmed"


# links: looking changes nothing, and each is good for one thing alone


async def test_looking_at_every_link_of_every_mail_changes_nothing(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room)
    await web.sign_up()
    await deliver(room)
    await web.post(link(server.mails[0]))
    await web.sign_up("bo@reader.example")
    room.publish("One")
    room.wait(days=1)
    room.app.planner.plan_due(room.now)
    await deliver(room)
    room.app.build_feeds()
    paths = {path for mail in server.mails for path in links(mail)}
    assert {urlsplit(path).path.split("/")[1] for path in paths} == {
        "confirm",
        "editions",
        "preferences",
        "unsubscribe",
        "feeds",
    }
    before = tables(room)
    for path in sorted(paths):
        for method in ("GET", "HEAD") * 3:
            assert (await web.get(path, method)).status_code == 200, path
    assert tables(room) == before


def tokens(room: Newsroom) -> dict[Purpose, str]:
    """One of each kind, all of the same reader and subscription."""
    key_id, key = room.app.keys.current
    payloads: dict[Purpose, list[int | str]] = {
        Purpose.UNSUBSCRIBE: [1],
        Purpose.CONFIRM: payload(1, room.now),
        Purpose.PREFERENCES: [1, 1],
        Purpose.ADDRESS: [1, 1, payload(1, room.now)[1]],
    }
    assert set(payloads) == set(Purpose)
    return {purpose: sign(purpose, said, key_id, key) for purpose, said in payloads.items()}


async def test_no_byte_of_a_link_can_be_another(room: Newsroom) -> None:
    web = visitor(room)
    await web.sign_up()
    before = tables(room)
    for purpose, token in tokens(room).items():
        for place in range(len(token)):
            for other in {chr(ord(token[place]) ^ bit) for bit in (1, 2, 4, 8, 16, 32, 64)} - {
                "\0"
            }:
                bad = token[:place] + other + token[place + 1 :]
                quoted = "".join(f"%{ord(each):02X}" for each in bad)
                answer = await web.post(
                    f"/{purpose}/{quoted}",
                    **{"confirm": "yes", "List-Unsubscribe": "One-Click", **ERASE},
                )
                assert answer.status_code in (400, 404), (purpose, place, other)
    assert tables(room) == before


async def test_each_kind_of_link_is_good_for_its_purpose_alone(room: Newsroom) -> None:
    web = visitor(room)
    await web.sign_up()
    before = tables(room)
    for purpose, token in tokens(room).items():
        for other in set(Purpose) - {purpose}:
            path = f"/{other}/{token}"
            assert (await web.get(path)).status_code == 400
            form = {"confirm": "yes", "List-Unsubscribe": "One-Click", **ERASE}
            assert (await web.post(path, **form)).status_code == 400
    assert tables(room) == before
    for payload_ in ([1], [1, "2"], ["1", 2], [1, 2, 3], []):
        key_id, key = room.app.keys.current
        token = sign(Purpose.CONFIRM, payload_, key_id, key)
        assert (await web.post(f"/confirm/{token}")).status_code == 400
    assert tables(room) == before


async def test_an_old_link_brings_nobody_back(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    await web.sign_up()
    await deliver(room)
    old = link(server.mails[0])
    await web.post(old)
    room.wait(hours=1)
    await web.post(f"/unsubscribe/{tokens(room)[Purpose.UNSUBSCRIBE]}", confirm="yes")
    assert states(room) == {ADA: "unsubscribed"}
    gone = await web.post(old)
    assert (gone.status_code, heading(gone)) == (404, "There is nothing to confirm")
    room.wait(days=1)
    await web.sign_up()
    await web.post(old)
    assert states(room) == {ADA: "pending"}
    await deliver(room)
    assert len(server.mails) > 2  # the goodbye is among them
    await web.post(last_link(server))
    assert states(room) == {ADA: "confirmed"}


async def test_who_waits_too_long_finds_nothing(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    await web.sign_up()
    await deliver(room)
    room.wait(days=7)
    room.app.forget()
    assert (await web.get(link(server.mails[0]))).status_code == 404
    assert states(room) == {}


# whose page sent it


async def test_any_page_may_hold_the_form_but_only_ours_the_button(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room)
    ours = {"Origin": room.app.site.url}
    for number, headers in enumerate(FROM_ELSEWHERE):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await web.post(
            "/subscribe", sent, email=f"reader{number}@reader.example", newsletter="daily"
        )
        assert answer.status_code == 200
    await deliver(room)
    for mail in server.mails:
        for headers in FROM_ELSEWHERE:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            assert (await web.post(link(mail), sent)).status_code == 403, headers
    assert set(states(room).values()) == {"pending"}
    for mail, headers in zip(server.mails, FROM_HERE, strict=False):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if "Origin" in sent and "Sec-Fetch-Site" not in sent:
            sent = ours
        assert (await web.post(link(mail), sent)).status_code == 200, headers
    assert Counter(states(room).values())["confirmed"] == len(FROM_HERE)


async def test_the_record_says_when_from_where_and_to_what(
    room: Newsroom, server: SmtpServer
) -> None:
    web = visitor(room, host="2001:db8::7")
    await web.post(
        "/subscribe", {"Origin": "https://blog.example"}, email=ADA, newsletter="daily", at="06:00"
    )
    await deliver(room)
    room.wait(hours=2)
    web.host = "192.0.2.9"
    await web.post(link(server.mails[0]))
    with room.app.db.read() as conn:
        consent = conn.execute(select(subscription.c.consent)).scalar_one()
    assert consent == {
        "asked_at": "2026-11-02T09:00:00+00:00",
        "asked_from": "2001:db8::7",
        "asked_on": "https://blog.example",
        "given_at": "2026-11-02T11:00:00+00:00",
        "given_from": "192.0.2.9",
        "how": "confirmed by mail",
        "agreed_to": "The Daily, every day at 06:00 (Europe/Berlin)",
    }


# limits


async def test_a_client_signs_up_ten_times_a_minute(room: Newsroom) -> None:
    web = visitor(room, Limits())
    answers = [await web.sign_up(f"reader{number}@reader.example") for number in range(12)]
    assert [each.status_code for each in answers] == [200] * 10 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert len(states(room)) == 10
    room.join("active")
    for name in ("active", "reader1", "unheard-of"):
        refused = await web.sign_up(f"{name}@reader.example")
        assert refused.content == answers[-1].content
    web.host = "192.0.2.2"
    assert (await web.sign_up()).status_code == 200


async def test_a_network_counts_as_a_whole_and_a_domain_over_all_clients(room: Newsroom) -> None:
    limits = Limits()
    statuses = Counter[int]()
    for number in range(22):
        web = visitor(room, limits, f"2001:db8:0:1::{number:x}")
        statuses[(await web.sign_up(f"r{number}@reader.example")).status_code] += 1
    assert statuses == {200: 20, 429: 2}
    assert (await visitor(room, limits, "2001:db8:0:2::1").sign_up()).status_code == 200


async def test_a_domain_is_limited_over_all_clients(room: Newsroom) -> None:
    limits = Limits(of_domain=(Limits().of_domain[0].__class__(3),))
    web = visitor(room, limits)
    statuses = []
    for number in range(5):
        web.host = f"198.51.100.{number}"
        statuses.append((await web.sign_up(f"r{number}@Big.example")).status_code)
    assert statuses == [200, 200, 200, 429, 429]
    assert (await web.sign_up("r@small.example")).status_code == 200
    refused = await web.api({"email": "r9@big.example", "newsletter": "daily"})
    assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
    vouched = {"email": "r9@big.example", "newsletter": "daily", "confirmed": True}
    assert (await web.api(vouched)).status_code == 201


def test_a_stranger_cannot_pretend_to_be_another(tmp_path: Path) -> None:
    """Who is not a proxy of ours is believed nothing; by one, the last in the row counts."""
    for proxies, status in (('["192.0.2.0/24"]', 429), ('["127.0.0.1"]', 200)):
        folder = tmp_path / str(status)
        config = f"proxies = {proxies}"
        with newsroom(folder, None) as room:
            text = (folder / "config" / "publisher.toml").read_text()
            text = text.replace("[web]\n", f"[web]\n{config}\n")
            (folder / "config" / "publisher.toml").write_text(text)
            with room.site.daemon():
                answers = [_post_as(room, f"10.9.8.7, 203.0.113.{n}") for n in range(11)]
            assert answers == [200] * 10 + [status]


def _post_as(room: Newsroom, forwarded_for: str) -> int:
    answer = httpx2.post(
        f"http://127.0.0.1:{room.site.port}/subscribe",
        data={"email": ADA, "newsletter": "daily"},
        headers={"X-Forwarded-For": forwarded_for},
        trust_env=False,
    )
    return answer.status_code


async def test_a_program_that_fills_in_what_nobody_sees_is_answered_and_ignored(
    room: Newsroom,
) -> None:
    web = visitor(room)
    honest = await web.sign_up("bo@reader.example")
    caught = await web.sign_up(ADA, website="https://spam.example")
    assert (caught.status_code, caught.content) == (200, honest.content)
    assert states(room) == {"bo@reader.example": "pending"}


# what strangers write


NO_ADDRESS = "is not an address that mail can be sent to."


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": ""}, "Please give your mail address."),
        ({"email": "nobody"}, NO_ADDRESS),
        ({"email": "a@localhost"}, NO_ADDRESS),
        ({"email": "a@[127.0.0.1]"}, NO_ADDRESS),
        ({"email": "a@127.0.0.1"}, NO_ADDRESS),
        ({"email": "a@b.example, c@d.example"}, NO_ADDRESS),
        ({"email": "a" * 65 + "@reader.example"}, NO_ADDRESS),
        ({"email": "é" * 33 + "@reader.example"}, NO_ADDRESS),
        ({"email": "a@reader.example\r\nBcc: b@x.example"}, NO_ADDRESS),
        ({"email": "a" * 50_000}, NO_ADDRESS),
        ({"newsletter": "weekly"}, "“weekly” cannot be chosen here."),
        ({"newsletter": ""}, "Please choose a newsletter."),
        ({"cadence": "hourly"}, "“hourly” cannot be chosen here."),
        ({"newsletter": "alerts", "cadence": "daily"}, "“daily” cannot be chosen here."),
        ({"category": "no-such"}, "“no-such” cannot be chosen here."),
        ({"at": "25:00"}, "“25:00” is not a time of day; one is like 07:30."),
        ({"weekday": "someday"}, "“someday” cannot be chosen here."),
        ({"zone": "../../etc/passwd"}, "“../../etc/passwd” is not a time zone"),
        ({"locale": "<script>"}, "“&lt;script&gt;” cannot be chosen here."),
    ],
)
async def test_what_is_wrong_is_said_and_changes_nothing(
    room: Newsroom, fields: dict[str, str], said: str
) -> None:
    web = visitor(room)
    before = tables(room)
    answer = await web.sign_up(**fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert tables(room) == before


HOSTILE = '"><script>alert(1)</script>&amp;\x00\x1b[31m\u202eevil\r\nX: y{{ 77 * 77777 }}'


async def test_strangers_words_are_shown_as_words(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    for field_ in ("email", "name", "newsletter", "cadence", "category", "at", "zone", "locale"):
        answer = await web.sign_up(**{field_: HOSTILE, "email": "x"} | {field_: HOSTILE})
        assert answer.status_code == 400
        assert "<script>" not in answer.text
        assert "5988829" not in answer.text
    await web.sign_up(newsletter=["daily", "alerts"], name=HOSTILE)
    await deliver(room)
    [mail] = server.mails
    message = message_from_bytes(mail.data, policy=policy.default)
    assert message["To"] == ADA
    assert "X" not in message
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "Alerts &amp; &lt;b&gt;More&lt;/b&gt;" in html
    assert b"evil" not in mail.data
    page = await web.get(link(mail))
    assert "<b>More" not in page.text
    await web.post(link(mail))
    with room.app.db.read() as conn:
        name = conn.execute(select(subscriber.c.name)).scalar_one()
    assert name.isprintable() or "\u202e" not in name
    assert "\n" not in name
    assert "\x00" not in name


async def test_too_much_is_refused(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    before = tables(room)
    assert (await web.sign_up(name="x" * 70_000)).status_code == 413
    assert (await web.api(b'{"name": "' + b"x" * 70_000 + b'"}')).status_code == 413
    assert (await web.sign_up(category=["a"] * 5_000)).status_code == 400
    assert tables(room) == before
    await web.sign_up()
    await deliver(room)
    assert (await web.post(link(server.mails[0]), a="x" * 11_000)).status_code == 413
    assert states(room) == {ADA: "pending"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"--edge\r\nbroken", "multipart/form-data; boundary=edge"),
        (b"x" * 100, "multipart/form-data"),
        (b'{"email": "a@reader.example"}', "application/json"),
        (
            b"--e\r\nContent-Disposition: form-data; name=email\r\n\r\n\\ud800\r\n--e--\r\n",
            "multipart/form-data; boundary=e; charset=unicode_escape",
        ),
    ],
)
async def test_what_is_no_form_is_refused(room: Newsroom, body: bytes, content_type: str) -> None:
    web = visitor(room)
    async with web._client() as client:
        answer = await client.post(
            "/subscribe", content=body, headers={"Content-Type": content_type}
        )
    assert answer.status_code == 400


async def test_a_form_with_parts_works_too(room: Newsroom) -> None:
    web = visitor(room)
    async with web._client() as client:
        parts = {"email": (None, ADA), "newsletter": (None, "daily")}
        assert (await client.post("/subscribe", files=parts)).status_code == 200
    assert states(room) == {ADA: "pending"}


# the API


async def test_a_program_of_the_operators_signs_up(room: Newsroom, server: SmtpServer) -> None:
    web = visitor(room)
    room.publish("One")
    said = {
        "email": ADA, "name": "Ada", "newsletter": ["daily"], "categories": ["news"],
        "cadence": "weekly", "at": "06:30", "weekday": "fri", "zone": "Europe/Lisbon",
        "locale": "pt", "confirmed": False,
    }  # fmt: skip
    assert (await web.api(said)).status_code == 202
    assert states(room) == {ADA: "pending"}
    await deliver(room)
    await web.post(link(server.mails[0]))
    with room.app.db.read() as conn:
        reader = subscribers.find(conn, ADA)
        assert reader is not None
        [joined] = subscriptions.of_reader(conn, reader.id)
    assert (reader.name, reader.locale, reader.zone) == ("Ada", "pt", "Europe/Lisbon")
    assert joined.slot == "daily/weekly@fri-06:30[Europe/Lisbon]"
    assert joined.consent["asked_on"] == "the API"


async def test_who_agreed_elsewhere_is_subscribed_at_once(room: Newsroom) -> None:
    web = visitor(room)
    answer = await web.api({"email": ADA, "newsletter": "daily", "confirmed": True})
    assert (answer.status_code, answer.json()) == (201, {"status": "subscribed"})
    assert states(room) == {ADA: "confirmed"}
    with room.app.db.read() as conn:
        assert notices.counts(conn) == {}


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "é" * 30])
async def test_without_the_token_nothing_is_done(room: Newsroom, token: str) -> None:
    web = visitor(room, Limits())
    before = tables(room)
    async with web._client() as client:
        for number in range(11):
            headers = {"Authorization": b"Bearer " + token.encode()} if token else {}
            answer = await client.post("/api/subscribers", content=b"{}", headers=headers)
            assert answer.status_code == (401 if number < 10 else 429)
    assert tables(room) == before


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_0, "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        ({"email": 7}, "email: is not text in quotes"),
        ({"newsletter": {"a": 1}}, "newsletter: is neither text nor a list of texts"),
        ({"email": ADA, "newsletter": "daily", "categories": ["x"]}, "categories: there is no"),
        ({"email": ADA, "newsletter": "daily", "confirmed": "yes"}, "confirmed: is neither true"),
        ({"email": ADA, "adress": "x"}, "there is no field 'adress'; known are email"),
        ({"email": "x", "newsletter": "daily"}, "email: 'x' is not a mail address"),
        ({"email": ADA}, "newsletter: no newsletter is chosen"),
        ({"email": ADA, "newsletter": "\ud800"}, "newsletter: there is no newsletter"),
        ({"email": ADA, "newsletter": "daily", "at": "7 o'clock"}, "at: a time of day"),
    ],
)
async def test_the_api_names_the_field_that_is_wrong(
    room: Newsroom, said: Any, sentence: str
) -> None:
    web = visitor(room)
    answer = await web.api(said)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)
    assert states(room) == {}
