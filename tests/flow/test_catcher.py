"""The demo's own parts: its mail catcher over real sockets, its pages, its sample newspaper."""

import asyncio
import json
import smtplib
import socket
import tomllib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
import uvicorn
import yaml
from hypothesis import given
from hypothesis import strategies as st

from publisher.demo.catcher import Catcher, free_port
from publisher.demo.inbox import application
from publisher.demo.reading import read_body, read_head
from publisher.demo.samples import READERS, write_articles, write_breaking, write_configuration
from publisher.settings import load

NOW = datetime(2026, 11, 20, 9, 3, 30, 250, tzinfo=UTC)


@dataclass(frozen=True)
class Demo:
    catcher: Catcher
    url: str

    async def send(self, data: bytes, *to: str, mail_from: str = "courier@courier.example") -> None:
        await asyncio.to_thread(self._send, data, list(to) or ["reader@inbox.example"], mail_from)

    def _send(self, data: bytes, to: list[str], mail_from: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.catcher.port, "client.example", timeout=10) as client:
            lines = data.replace(b"\n", b"\r\n")
            assert client.sendmail(mail_from, to, lines, mail_options=["SMTPUTF8"]) == {}

    async def get(self, path: str) -> tuple[int, str, dict[str, str]]:
        return await asyncio.to_thread(_get, self.url + path)

    async def page(self, path: str) -> str:
        status, body, _ = await self.get(path)
        assert status == 200, body
        return body


def _get(url: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


@pytest_asyncio.fixture
async def demo() -> AsyncIterator[Demo]:
    catcher = Catcher(keep=20)
    await catcher.start("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(application(catcher), lifespan="off", ws="none", log_config=None)
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield Demo(catcher, f"http://127.0.0.1:{listening.getsockname()[1]}")
        server.should_exit = True
        await serving
    await catcher.stop()


def digest(subject: str = "Morgenpost: „Das Watt“ & 3 more") -> bytes:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "The Harbour Courier <courier@courier.example>"
    message["To"] = "Zoë <zoë@inbox.example>"
    message.set_content("Guten Morgen.\n.\n<b>not bold</b>\nمرحبا\n")
    message.add_alternative(
        '<!doctype html><html lang="de"><head><title>x</title></head>'
        '<body><h1>Guten Morgen</h1><a href="http://news.example/a">Weiter</a></body></html>',
        subtype="html",
    )
    return message.as_bytes()


async def test_a_mail_to_several_readers_is_caught_whole_and_shown(demo: Demo) -> None:
    sent = digest()
    await demo.send(sent, "zoë@inbox.example", "b@inbox.example", mail_from="vérp@out.example")

    [mail] = demo.catcher.messages
    assert demo.catcher.count == mail.number == 1
    assert mail.mail_from == "vérp@out.example"
    assert mail.recipients == ("zoë@inbox.example", "b@inbox.example")
    assert mail.data == sent.replace(b"\n", b"\r\n")

    listed = await demo.page("/")
    assert "Morgenpost: „Das Watt“ &amp; 3 more" in listed
    assert "zoë@inbox.example, b@inbox.example" in listed
    text = await demo.page("/mails/1/text")
    assert "Guten Morgen.\n.\n&lt;b&gt;not bold&lt;/b&gt;\nمرحبا" in text.replace("\r\n", "\n")
    assert "multipart/alternative" in await demo.page("/mails/1/headers")
    assert "Content-Transfer-Encoding" in await demo.page("/mails/1/source")
    assert (await demo.page("/mails/1/mail.eml")).encode() == mail.data
    assert json.loads(await demo.page("/mails.json")) == {
        "count": 1,
        "mails": [
            {
                "number": 1,
                "received_at": mail.received_at.isoformat(),
                "from": "vérp@out.example",
                "to": ["zoë@inbox.example", "b@inbox.example"],
                "subject": "Morgenpost: „Das Watt“ & 3 more",
            }
        ],
    }


async def test_html_is_shown_in_a_frame_that_can_run_nothing(demo: Demo) -> None:
    await demo.send(digest())

    page = await demo.page("/mails/1")
    assert 'src="/mails/1/frame"' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "Guten Morgen" not in page
    _, frame, headers = await demo.get("/mails/1/frame")
    assert '<h1>Guten Morgen</h1><a href="http://news.example/a">' in frame
    assert frame.startswith('<!doctype html><html lang="de"><head><base target="_blank">')
    policy = headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:"
    )
    assert "sandbox" in policy
    assert "allow-scripts" not in policy + page
    assert headers["x-content-type-options"] == "nosniff"


async def test_many_mails_over_one_connection_and_only_the_newest_are_kept(demo: Demo) -> None:
    def send_all() -> None:
        with smtplib.SMTP("127.0.0.1", demo.catcher.port, "client.example", timeout=10) as client:
            for n in range(1, 46):
                client.sendmail("a@b.example", ["c@d.example"], f"Subject: no. {n}\n\nx\n")

    await asyncio.to_thread(send_all)

    assert demo.catcher.count == 45
    assert [mail.number for mail in demo.catcher.messages] == list(range(26, 46))
    listed = await demo.page("/")
    assert listed.index("no. 45") < listed.index("no. 26")
    assert "no. 25<" not in listed
    assert json.loads(await demo.page("/mails.json"))["mails"][0]["subject"] == "no. 45"
    page = await demo.page("/mails/30")
    assert 'href="/mails/29"' in page
    assert 'href="/mails/31"' in page
    assert (await demo.get("/mails/25"))[0] == 404
    assert "no longer kept" in (await demo.get("/mails/25"))[1]


async def test_a_mail_over_ten_megabytes_is_refused_and_the_next_one_taken(demo: Demo) -> None:
    with pytest.raises(smtplib.SMTPDataError, match="Too much") as refused:
        # Without SIZE in MAIL, as from a client that does not know it.
        await asyncio.to_thread(_send_unannounced, demo.catcher.port, b"x" * 70 + b"\r\n", 160_000)
    assert refused.value.smtp_code == 552
    await demo.send(digest())
    assert demo.catcher.count == 1


def _send_unannounced(port: int, line: bytes, times: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=20) as client:
        client.helo("client.example")
        client.mail("a@b.example")
        client.rcpt("c@d.example")
        code, reply = client.data(line * times)
        if code != 250:
            raise smtplib.SMTPDataError(code, reply)


async def test_stopping_hangs_up_and_frees_the_port() -> None:
    catcher = Catcher()
    await catcher.start("127.0.0.1", 0)
    client = smtplib.SMTP(timeout=10)
    await asyncio.to_thread(client.connect, "127.0.0.1", catcher.port)
    await catcher.stop()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await asyncio.to_thread(client.docmd, "NOOP")
    client.close()
    again = Catcher()
    await again.start("127.0.0.1", catcher.port)
    await again.stop()
    await again.stop()


def _nested(depth: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)
    )
    return opened + b"Content-Type: text/plain\n\ndeep\n"


def _typed(content_type: bytes, body: bytes) -> bytes:
    return b"Content-Type: " + content_type + b"\n\n" + body


HOSTILE = {
    "nothing at all": b"",
    "no headers": b"\njust a body\n",
    "no body": b"Subject: x\n",
    "script in headers": b'Subject: <script>alert(1)</script>\nFrom: "<img src=x>" <a@b>\n\nx',
    "script in a charset": _typed(b'text/plain; charset="<script>"', b"\xff\xfe<script>"),
    "a codec that is no charset": _typed(b"text/html; charset=unicode_escape", b"\\q\\ud800"),
    "a codec that is no text": _typed(b"text/html; charset=hex", b"00"),
    "lone surrogates": b"Subject: =?utf-7?q?+2AA-?=\n"
    + _typed(b"text/html; charset=utf-7", b"+2AA-"),
    "a charset with NUL": b"Subject: =?a\0b?q?x?=\n" + _typed(b'text/html; charset="a\0b"', b"x"),
    "raw bytes": b"Subject: Z\xfcrich \xe2\x80\x93 \x00\x1b[31m\n\n\xff\xfe\n",
    "broken base64": b"Subject: =?utf-8?b?!?= =?utf-8?b?4pi?=\nContent-Transfer-Encoding: base64\n"
    + _typed(b"text/html", b"!!!=\n"),
    "uuencoded": b"Content-Transfer-Encoding: uuencode\n\nbegin 644 x\n\xff\n",
    "multipart without boundary": _typed(b"multipart/mixed", b"--x\n\ny\n--x--\n"),
    "multipart without parts": _typed(b"multipart/mixed; boundary=x", b""),
    "broken RFC 2231": _typed(b"text/html; charset*=x'y; name*0*=a; name*2=b; name*x=c", b"x"),
    "nested a thousand deep": _nested(1_000),
    "many parts": _typed(b"multipart/mixed; boundary=b", b"--b\n\n" * 20_000),
    "a huge header": b"Subject: a" + b"\n =?q?q?" * 40_000 + b"\n\nx",
    "a huge parameter": _typed(b"text/html" + b';\n "' * 80_000, b"x"),
    "very many headers": b"X-Y: z\n" * 50_000 + b"\nx",
    "huge": _typed(b"text/html", b"<p>&amp;</p>\n" * 150_000),
    "header beside header": b"Subject: =?utf-8?q?a=0D=0ABcc:_x@y.example?=\n\nx",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_mail_breaks_no_page(demo: Demo, data: bytes) -> None:
    await demo.send(data, "r@inbox.example")

    for path in ("/", "/mails/1", *(f"/mails/1/{view}" for view in VIEWS)):
        status, body, headers = await asyncio.wait_for(demo.get(path), 10)
        assert status == 200, path
        assert "<script" not in body
        assert "<img" not in body
        assert "default-src 'none'" in headers["content-security-policy"]
    assert json.loads(await demo.page("/mails.json"))["count"] == 1
    assert (await demo.get("/mails/1/frame"))[0] in (200, 404)
    await demo.send(digest("still here"))
    assert "still here" in await demo.page("/")


VIEWS = ("html", "text", "headers", "source")


async def test_addresses_in_the_envelope_are_escaped(demo: Demo) -> None:
    await demo.send(b"Subject: x\n\n", '"<script>x</script>"@inbox.example')
    for path in ("/", "/mails/1/headers"):
        assert "&lt;script&gt;" in await demo.page(path)
        assert "<script" not in await demo.page(path)


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("=?utf-8?q?Caf=C3=A9?= =?utf-8?b?4oCT?= x", "Café– x"),
        ("=?iso-8859-1?q?Gr=FC=DFe_aus?=\r\n =?koi8-r?b?8M/S1A==?=", "Grüße ausПорт"),
        ("=?utf-8*de?q?Tag?=", "Tag"),
        ("=?nonsense?q?caf=C3=A9?=", "café"),
        ("=?utf-8?b?abcde?=", "=?utf-8?b?abcde?="),
        ("a folded\r\n\tline", "a folded line"),
        ("plain \\u0041 =?utf-8?q?=5Cu0041?=", "plain \\u0041 \\u0041"),
    ],
)
def test_headers_are_decoded_as_a_reader_would_see_them(header: str, shown: str) -> None:
    assert read_head(f"Subject: {header}\r\n\r\n".encode()).get("subject") == shown


_MIME = st.sampled_from(
    [b"Content-Type: ", b"multipart/mixed", b"; boundary=b", b"\n--b\n", b"\n--b--\n", b"\n\n",
     b"text/html", b"; charset=", b"utf-7", b"Content-Transfer-Encoding: base64\n", b"=?utf-8?b?",
     b"?=", b"message/rfc822", b"Content-Disposition: attachment; filename*=", b"''", b'"', b"\n "]
)  # fmt: skip


@given(st.lists(_MIME | st.binary(max_size=8), max_size=30).map(b"".join))
def test_whatever_comes_reading_it_gives_text_that_can_be_shown(data: bytes) -> None:
    head, body = read_head(data), read_body(data)
    shown = [*(text for field in head.fields for text in field), body.html or "", body.text or ""]
    "".join([*shown, *(part.filename + part.type for part in body.parts)]).encode()


def test_parts_are_told_apart_and_attachments_are_not_taken_for_the_text() -> None:
    message = EmailMessage()
    message.set_content("the text", charset="iso-8859-15")
    message.add_attachment("an attached note", filename="nöte.txt")
    message.add_attachment(b"\0" * 30, maintype="image", subtype="png", filename="a.png")
    body = read_body(message.as_bytes())
    assert body.text == "the text\n"
    assert body.html is None
    assert [(part.type, part.size) for part in body.parts][0::2] == [
        ("text/plain", 9),
        ("image/png", 30),
    ]
    assert body.parts[2].filename == "a.png"


@contextmanager
def _listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_gives_way_to_the_next_free_one() -> None:
    with _listening() as taken:
        free = free_port(taken)
        assert taken < free < taken + 200
        with socket.create_server(("127.0.0.1", free)):
            assert free_port(taken) not in (taken, free)
    assert free_port(taken) == taken


# --- the sample newspaper -------------------------------------------------------------------------


def _samples(folder: Path) -> list[tuple[Path, dict[str, Any], str]]:
    found = []
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        text = path.read_text(encoding="utf-8")
        if text.startswith("+++"):
            _, head, body = text.split("+++\n")
            values = tomllib.loads(head)
            values |= values.pop("taxonomies") | values.pop("extra")
        else:
            _, head, body = text.split("---\n", 2)
            values = yaml.safe_load(head)
        found.append((path, values, body))
    return found


def test_the_samples_are_a_dozen_finished_articles_of_the_last_days(tmp_path: Path) -> None:
    assert write_articles(tmp_path, NOW) == 12

    samples = _samples(tmp_path)
    assert len(samples) == 12
    dates = [values["date"] for _, values, _ in samples]
    assert all(
        isinstance(written, datetime) and timedelta(0) < NOW - written <= timedelta(hours=60)
        for written in dates
    )
    assert len(set(dates)) == 12
    assert {values["language"] for _, values, _ in samples} == {"en", "de", "fr", "ru", "ar", "ja"}
    categories = set()
    for _, values, _ in samples:
        named = values["categories"]
        categories |= {named} if isinstance(named, str) else set(named)
    assert categories == {"City", "Harbour", "Science", "Culture", "Sport", "World", "Opinion"}
    for path, values, body in samples:
        assert values.get("summary") or values.get("description"), path
        assert values.get("author") or values.get("authors"), path
        assert len(body) > 300, path
        assert "hours_ago" not in path.read_text(encoding="utf-8")
    [dated] = [path.name for path, _, _ in samples if path.name[0] == "2"]
    assert dated == "2026-11-20-night-trams-return.md"


def test_writing_the_samples_again_leaves_them_alone(tmp_path: Path) -> None:
    write_articles(tmp_path, NOW)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write_articles(tmp_path, NOW)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_breaking_article_comes_on_top_and_reaches_the_immediate_reader(tmp_path: Path) -> None:
    title = write_breaking(tmp_path, NOW)
    [(_, values, _)] = _samples(tmp_path)
    assert values["title"] == title
    assert values["date"] == NOW.replace(microsecond=0)
    [immediate] = [reader for reader in READERS if reader.cadence == "immediate"]
    assert {name.lower() for name in values["categories"]} & set(immediate.categories or ())


def test_the_configuration_is_one_that_the_program_takes(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    path = write_configuration(tmp_path, http_port=8081, smtp_port=2526, now=NOW)
    settings = load(path, {})
    assert settings.site.url == "http://127.0.0.1:8081"
    assert settings.web.port == 8081
    assert [(relay.host, relay.port) for relay in settings.relays] == [("127.0.0.1", 2526)]
    newsletters = {letter.slug: letter for letter in settings.newsletter_facts()}
    assert set(newsletters) == {"morning", "alerts"}
    assert newsletters["alerts"].window == 1
    for reader in READERS:
        assert reader.cadence in newsletters[reader.newsletter].cadences
        assert ZoneInfo(reader.zone)
    assert len({reader.zone for reader in READERS}) == len(READERS)


def test_the_daily_digest_is_neither_at_once_nor_far_away(tmp_path: Path) -> None:
    for minutes in range(0, 1440, 7):
        now = NOW + timedelta(minutes=minutes)
        path = write_configuration(tmp_path, http_port=1, smtp_port=2, now=now)
        at = tomllib.loads(path.read_text())["newsletters"][0]["at"]
        local = now.astimezone(ZoneInfo("Europe/Berlin"))
        due = local.replace(hour=int(at[:2]), minute=int(at[3:]), second=0, microsecond=0)
        wait = (due - local) % timedelta(days=1)
        assert timedelta(minutes=5) <= wait <= timedelta(minutes=20)
