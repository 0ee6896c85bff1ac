"""The bytes of one reader's mail: exactly its own header, whatever strangers' words hold."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core import splice
from publisher.core.headers import one_line
from publisher.core.model import Article, Cadence, Newsletter, Rendering, Site
from publisher.core.text import opening_words
from publisher.delivery.message import Recipient, compose, message_id, preview
from publisher.errors import PermanentError
from publisher.kit.jinja import environment
from publisher.kit.resources import folder
from publisher.newsletters.render import EditionContent, render

DATE = datetime(2026, 11, 20, 6, tzinfo=UTC)
ADA = Recipient(address="ada@reader.example", name="Ada Byron")
URL = "https://news.example/unsubscribe/" + "t0ken-" * 30 + "?a=1&b=%C3%A9"
NASTY: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "mail" / "nasty.json").read_text(encoding="utf-8")
) | {"10,000 characters": "x" * 10_000, "10,000 words": "né " * 10_000}
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Auto-Submitted", "Content-Language", "MIME-Version", "Content-Type",
]  # fmt: skip
TEMPLATES = environment([folder("templates/email")])
BODY = (
    b"--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    + splice.encode(f"Dear {splice.mark('name')},\n{splice.mark('unsubscribe_url')}\n")
    + b"\r\n--=_b--\r\n"
)
PLAIN = Rendering(
    subject="The Daily",
    body=BODY,
    boundary="=_b",
    key_id="k1",
    sender="Example News <news@news.example>",
    list_id="The Daily <daily.news.example>",
)


def mail(rendering: Rendering = PLAIN, recipient: Recipient = ADA, url: str = URL) -> bytes:
    mid = message_id("daily", 12, 34, date=DATE, rendering=rendering)
    return compose(rendering, recipient, message_id=mid, date=DATE, unsubscribe_url=url)


def parse(raw: bytes) -> EmailMessage:
    """As a mail program would, after a look at the bytes themselves."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[^\t\r\n -~]", raw)
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not [line for line in lines if line.startswith(b".")]
    head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(line.strip() for line in head)
    assert not [line for line in head if len(line) > 78 and b"http" not in line]
    message = message_from_bytes(raw, policy=policy.default)
    assert not message.defects
    return message


def test_the_header_of_a_digest() -> None:
    message = parse(mail())
    assert dict(message.items()) == {
        "From": "Example News <news@news.example>",
        "To": "Ada Byron <ada@reader.example>",
        "Subject": "The Daily",
        "Date": "Fri, 20 Nov 2026 06:00:00 +0000",
        "Message-ID": "<daily.12.34.20261120T060000@news.example>",
        "List-Id": "The Daily <daily.news.example>",
        "List-Unsubscribe": f"<{URL}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_b"',
    }
    (part,) = message.iter_parts()
    assert part.get_content() == f"Dear Ada Byron,\r\n{URL}\r\n"


def test_the_unsubscribe_address_is_never_encoded_or_broken() -> None:
    assert f"<{URL}>".encode() in mail()


def test_a_mail_address_to_unsubscribe_may_stand_beside_it() -> None:
    mailto = "mailto:leave@news.example?subject=leave"
    raw = compose(
        PLAIN, ADA, message_id="<a@b>", date=DATE, unsubscribe_url=URL, unsubscribe_mailto=mailto
    )
    assert parse(raw)["List-Unsubscribe"] == f"<{URL}>, <{mailto}>"


def test_a_notice_has_nothing_to_unsubscribe_from() -> None:
    names = parse(mail(replace(PLAIN, list_id=""), url="")).keys()
    assert names == [name for name in HEADERS if not name.startswith("List-")]


def test_the_same_facts_give_the_same_bytes_in_every_zone() -> None:
    there = DATE.astimezone(timezone(timedelta(hours=9)))
    mid = message_id("daily", 12, 34, date=there, rendering=PLAIN)
    assert mail() == compose(PLAIN, ADA, message_id=mid, date=there, unsubscribe_url=URL)


def test_message_ids_differ_for_every_mail() -> None:
    ids = {
        message_id(kind, number, reader, date=date, rendering=PLAIN)
        for kind in ("daily", "новости", "a b>\r\nX: y")
        for number in (1, 2)
        for reader in (1, 12)
        for date in (DATE, DATE + timedelta(days=1))
    }
    assert len(ids) == 24
    assert all(re.fullmatch(r"<[!-;=?-~]+@news\.example>", each) for each in ids)


def test_a_reader_beyond_ascii_is_not_named_in_the_header() -> None:
    message = parse(mail(recipient=Recipient(address="анна@xn--80a1acny.example", name="Анна")))
    assert message["To"] == "undisclosed-recipients:;"
    (part,) = message.iter_parts()
    assert part.get_content().startswith("Dear Анна,")


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_nothing_in_a_name_or_title_alters_the_mail(text: str) -> None:
    article = Article(
        id="tag:news.example,2026:article:1", source="folder", source_key="1.md", slug="one",
        title=text, summary=text, body_html="<p>Body.</p>", authors=(text,), published_at=DATE,
        updated_at=DATE, received_at=DATE, content_hash="1", seq=1,
    )  # fmt: skip
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    newsletter = Newsletter(slug="daily", title=text, sender=f'"{quoted}" <news@news.example>')
    rendering = render(
        EditionContent(
            newsletter=newsletter, site=Site(title=text, url="https://news.example"),
            cadence=Cadence.IMMEDIATE, articles=(article, article), categories={}, planned_at=DATE,
            locale="en", zone="UTC", key_id="k1",
        ),
        TEMPLATES,
    )  # fmt: skip
    message = parse(mail(rendering, Recipient(address=ADA.address, name=text)))
    assert message.keys() == HEADERS
    # The stdlib's parser joins and keeps blanks in its own ways: only the words are compared.
    assert message["Subject"].split() == one_line(rendering.subject).split()
    assert opening_words(one_line(text) or "Body.", 60).rstrip("…") in message["Subject"]
    for header, address in (("From", "news@news.example"), ("To", ADA.address)):
        (mailbox,) = message[header].addresses
        assert mailbox.addr_spec == address
        assert _same_name(mailbox.display_name, text)
    assert re.search(r"<daily\.news\.example>$", message["List-Id"])
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"]
    assert all(not part.defects for part in message.iter_parts())


def _same_name(shown: str, name: str) -> bool:
    # Between two encoded words of a name Python 3.11's parser puts a blank, against RFC 2047 6.2.
    return "".join(shown.split()) == "".join(one_line(name, 100).split())


@given(st.text(), st.text())
def test_any_subject_and_name(subject: str, name: str) -> None:
    message = parse(mail(replace(PLAIN, subject=subject), replace(ADA, name=name)))
    assert message.keys() == HEADERS
    assert message["Subject"].split() == (one_line(subject) or "…").split()
    assert message["To"].addresses[0].addr_spec == ADA.address


@pytest.mark.parametrize("text", ["a =?utf-8?q?b?= c", "a" * 300, "word " * 60, "é" * 300])
def test_long_and_deceptive_subjects_read_back(text: str) -> None:
    assert parse(mail(replace(PLAIN, subject=text)))["Subject"] == text.strip()


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "News <news@news.example>\r\nBcc: evil@x.example"},
        {"sender": "Нews <news@news.example>"},
        {"reply_to": "a@b.example\nX: y"},
        {"list_id": "x\0"},
        {"list_id": "x" * 1000},
        {"language": "en\r\n\r\n"},
        {"boundary": '"\r\nX: y'},
    ],
)
def test_values_that_no_header_can_hold_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match=r"cannot stand|characters"):
        compose(
            replace(PLAIN, **changes),  # type: ignore[arg-type]  # a table of fields
            ADA,
            message_id="<a@b>",
            date=DATE,
            unsubscribe_url=URL,
        )


@pytest.mark.parametrize(
    "url", ["https://x.example/>, <https://y", "https://x.example/\r\nX: y", "javascript:x", "é"]
)
def test_unsubscribe_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(PermanentError, match="List-Unsubscribe"):
        mail(url=url)


def test_a_preview_is_a_whole_mail_and_its_page() -> None:
    rendering = render(
        EditionContent(
            newsletter=Newsletter(slug="daily", title="The Daily", sender="news@news.example"),
            site=Site(title="Example News", url="https://news.example"),
            cadence=Cadence.DAILY, articles=(), categories={}, planned_at=DATE, locale="en",
            zone="UTC", key_id="k1",
        ),
        TEMPLATES,
    )  # fmt: skip
    raw, html = preview(rendering, DATE)
    assert parse(raw)["To"] == "Sample Reader <reader@example.com>"
    assert html.startswith("<!DOCTYPE html>")
    assert 'href="https://example.com/unsubscribe/preview"' in html
