"""From an article's file to the mails: what is edited, withdrawn or corrected while they go out."""

import json
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from publisher.webstore import Editions
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.smtp import SmtpServer

TEMPLATE = """{{ reader.unsubscribe_url }}
{% for item in [lead]|select|list + sections|map(attribute="stories")|sum(start=()) |list %}
({{ item.title }}, {{ item.standfirst }})
{% endfor %}
{% for item in corrections %}
[{{ item.title }}: {{ item.note }}]
{% endfor %}
"""
FULL = """
[[newsletters]]
slug = "full"
title = "Full"
send_when_empty = true
"""


def _page(room: Newsroom, name: str) -> str:
    """An edition in the browser."""
    app = room.app
    page = Editions(app.db, app.renderer, app.site, app.clock).page(name)
    assert page is not None
    return page


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "digest.txt").write_text(TEMPLATE)
    with newsroom(tmp_path, server, mail=f"templates = '{tmp_path}/own'", more=FULL) as found:
        yield found


def edit(room: Newsroom, name: str, title: str, text: str, **keys: str) -> None:
    room.site.write(name, title, text, **keys)
    for source in room.app.sources():
        room.app.take_in(source)


def mail(server: SmtpServer, name: str) -> list[str]:
    """What the last mail to a reader says: articles in round brackets, corrections in square."""
    of = [each for each in server.mails if each.recipient == f"{name}@reader.example"]
    text = message_from_bytes(of[-1].data, policy=default).get_body(("plain",))
    assert text is not None
    return re.findall(r"\(.*\)|\[.*\]", text.get_content())


def test_mails_not_yet_tried_hold_the_article_as_it_stands(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada")
    room.publish("Weir", "Old.")
    room.publish("Mill", "Old.")
    room.plan()
    edit(room, "1.md", "Weir", "New.", correction="It was old.")
    edit(room, "2.md", "Mill", "Old.", withdrawn="true")
    assert room.deliver().sent == 1
    assert mail(server, "ada") == ["(Weir, New.)"]
    room.check_books()


def test_a_mail_of_which_nothing_is_left_does_not_go_out(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada", "bo")
    room.join("ada", newsletter="full")
    room.publish("Weir")
    assert room.plan() == 2
    room.join("cy", newsletter="full")
    edit(room, "1.md", "Weir", "Old.", withdrawn="true")
    totals = room.deliver()
    assert (totals.sent, server.mails) == (0, [])
    assert room.states() == {"cancelled": 2}
    assert room.row("ada")["reply"] == "every article of it was withdrawn"
    assert room.deliver().sent == 0
    room.check_books()


def test_where_a_mail_is_wanted_even_when_empty_it_goes_out(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada", newsletter="full")
    room.publish("Weir")
    assert room.plan("full") == 1
    edit(room, "1.md", "Weir", "Old.", withdrawn="true")
    assert room.deliver().sent == 1
    assert mail(server, "ada") == []
    room.check_books()


def test_who_got_the_old_version_finds_the_note_of_the_editor(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada")
    room.publish("Weir", "It opened on Monday.")
    room.publish("Mill", "It is sold.")
    room.plan()
    room.deliver()
    room.join("bo")
    edit(room, "1.md", "Weir", "It opened on Tuesday.", correction="It was Tuesday.")
    edit(room, "2.md", "Mill", "", withdrawn="true", correction="It is not sold.")
    room.publish("Ford", "It is deep.")

    [standing] = room.site.json("explain", "ada@reader.example")["subscriptions"]
    assert (standing["waiting"], standing["corrections"]) == (["Ford"], ["Mill", "Weir"])
    [planned] = room.site.json("newsletters", "send", "daily", "--now", "--dry-run")["editions"]
    foreseen = [[each["title"] for each in group["corrections"]] for group in planned["groups"]]
    assert sorted(foreseen) == [[], ["Mill", "Weir"]]
    said = room.site.run("newsletters", "send", "daily", "--now", "--dry-run")
    assert "correction of «Mill»" in said

    room.plan()
    assert room.deliver().sent == 2
    assert mail(server, "ada") == [
        "(Ford, It is deep.)",
        "[Mill: It is not sold.]",
        "[Weir: It was Tuesday.]",
    ]
    assert mail(server, "bo") == ["(Ford, It is deep.)"]
    told = room.site.json("explain", "ada@reader.example")
    assert [each["corrections"] for each in told["mails"]] == [["Mill", "Weir"], []]
    assert "with 2 corrections: «Mill», «Weir»" in room.site.run("explain", "ada@reader.example")

    room.publish("Bridge", "It stands.")
    room.plan()
    room.deliver()
    assert mail(server, "ada") == ["(Bridge, It stands.)"]


def test_the_operator_withdraws_with_a_note_and_its_readers_find_it_without_a_dead_link(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada")
    room.publish("Weir", "It opens on Monday.")
    room.plan()
    room.deliver()
    room.join("bo")
    [weir] = json.loads(room.site.call("articles", "list", "--json"))
    hostile = "It does <not> open.\r\nBcc: x@victim.example {{ reader.address }}\x1b[2J\u202e"
    room.site.call("articles", "withdraw", weir["id"], "--note", hostile)
    room.publish("Ford", "It is deep.")
    ford = json.loads(room.site.call("articles", "list", "--json"))[0]["slug"]
    room.plan()
    assert room.deliver().sent == 2
    note = "It does <not> open. Bcc: x@victim.example {{ reader.address }} [2J"
    assert mail(server, "ada") == ["(Ford, It is deep.)", f"[Weir: {note}]"]
    assert mail(server, "bo") == ["(Ford, It is deep.)"]
    [to_ada] = [each for each in server.mails if b"Ford" in each.data and b"victim" in each.data]
    parsed = message_from_bytes(to_ada.data, policy=default)
    assert parsed["Bcc"] is None
    html = parsed.get_body(("html",))
    assert html is not None
    written = html.get_content()
    address = re.search(r"/editions/[\w-]+", written)
    assert address
    page = _page(room, address[0].rpartition("/")[2])
    for shown in (written, page):
        assert "It does &lt;not&gt; open." in shown
        assert f"/articles/{ford}/" in shown
        assert f"/articles/{weir['slug']}/" not in shown


def test_what_was_away_while_mails_went_out_comes_later_unless_it_is_too_old_by_then(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada")
    room.publish("Weir", "It opens.")
    room.publish("Mill", "It is sold.")
    date = room.now.isoformat()
    for name, title, text in (("1.md", "Weir", "It opens."), ("2.md", "Mill", "It is sold.")):
        edit(room, name, title, text, withdrawn="true", date=date)
    room.publish("Ford", "It is deep.")
    room.plan()
    room.deliver()
    assert mail(server, "ada") == ["(Ford, It is deep.)"]
    room.wait(days=10)
    edit(room, "1.md", "Weir", "It opens.", date=date)
    room.app.make_public()
    room.plan()
    room.deliver()
    assert mail(server, "ada") == ["(Weir, It opens.)"]
    room.wait(days=10)
    edit(room, "2.md", "Mill", "It is sold.", date=date)
    room.app.make_public()
    assert room.plan() == 0
    listed = json.loads(room.site.call("articles", "list", "--json"))
    assert [each["title"] for each in listed] == ["Weir", "Ford", "Mill"]
