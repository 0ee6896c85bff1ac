"""A reader who wants to be forgotten is: no byte of the address stays in any file."""

import base64
import gzip
import json
import re
import subprocess
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlencode

from sqlalchemy import select

from publisher.core.identity import address_hash
from publisher.store import subscribers
from publisher.store.tables import bounce, delivery, subscriber, subscription, suppression
from tests.flow.newsroom import Newsroom
from tests.flow.site import until
from tests.flow.smtp import SmtpServer
from tests.flow.test_signup import link

QUILL = "Zebulon.Quill@Quillhouse.example"
FINCH = "Magdalena.Finch@finchnest.example"
BO = "bo@reader.example"
WORDS = ("zebulon", "quillhouse")
"""Of the address and the name; nothing else has them."""


def spellings(word: str) -> Iterator[bytes]:
    """As it may be written: in any case, and base64 wherever in a text it begins."""
    for each in {word, word.upper(), word.capitalize()}:
        raw = each.encode()
        yield raw
        yield each.encode("utf-16-le")
        yield raw.hex().encode()
        for before in range(3):
            packed = base64.b64encode(b"?" * before + raw + b"?" * (-(before + len(raw)) % 3))
            yield packed[4 if before else 0 : -4]


def traces(folder: Path, words: Collection[str] = WORDS) -> set[str]:
    """The files in which something of the reader stands.

    Of copies: were they opened here, SQLite would lose its locks on them (`store.look_through`).
    """
    with TemporaryDirectory() as copies:
        subprocess.run(["cp", "-r", folder, f"{copies}/all"], check=True)
        return _traces(Path(copies) / "all", words)


def _traces(folder: Path, words: Collection[str]) -> set[str]:
    found = set()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".gz":
            data += gzip.decompress(data)
        unquoted = re.sub(rb"[=%]([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), data)
        said = data + data.lower() + unquoted.lower()
        if any(each in said for word in words for each in spellings(word)):
            found.add(str(path.relative_to(folder)))
    return found


def test_the_search_finds_what_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" + base64.b64encode(QUILL.encode()).decode())
    (tmp_path / "b").write_text(base64.b64encode(b"ab" + QUILL.encode()).decode())
    (tmp_path / "c").write_text(quote(QUILL, safe="").replace("Z", "%5A").replace("Q", "=51"))
    (tmp_path / "d").write_bytes(gzip.compress(QUILL.lower().encode()))
    (tmp_path / "e").write_text(BO)
    (tmp_path / "d").rename(tmp_path / "d.gz")
    assert traces(tmp_path) == {"a", "b", "c", "d.gz"}


def post(room: Newsroom, path: str, **fields: str) -> tuple[int, str]:
    status, body = room.site.get(path, urlencode(fields).encode())
    return status, body.decode()


def own_page(room: Newsroom, address: str) -> str:
    """The path of the link in this reader's mails."""
    with room.app.db.read() as conn:
        reader = subscribers.find(conn, address)
    assert reader is not None
    key_id, _ = room.app.keys.current
    url = room.app.preferences_url(reader.id, reader.token_version, key_id)
    return url.removeprefix(room.app.site.url)


def all_that_can_happen_to_a_mail(room: Newsroom, server: SmtpServer) -> None:
    """One delivered, one bounced, one deferred with a word in the log, and a notice."""
    room.site.add_reader(QUILL, name="Zebulon Quill", cadence="immediate")
    room.site.add_reader(BO, cadence="immediate")
    room.site.write("1.md", "One")
    until(lambda: server.to(QUILL.lower()) or server.to(known_as(QUILL)), "the delivered mail")
    server.will("RCPT", f"550 5.1.1 <{QUILL}>: no such user zebulon.quill", of=known_as(QUILL))
    room.site.write("2.md", "Two")
    until(lambda: "no such user" in room.site.log(), "the bounce")
    server.always("DOT", f"451 4.2.2 mailbox of <{QUILL}> is full", of=known_as(QUILL))
    room.site.write("3.md", "Three")
    until(lambda: "is full" in room.site.log(), "the mail that waits")
    until(lambda: len(server.to(BO)) == 3, "the other reader's mails")
    post(room, "/subscribe", email=QUILL, newsletter="daily")  # a notice: "you already receive"
    server.forget_orders()


def known_as(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local}@{domain.lower()}"


def test_nothing_of_the_address_stays_in_any_file(room: Newsroom, server: SmtpServer) -> None:
    with room.site.daemon():
        all_that_can_happen_to_a_mail(room, server)
        page, number = own_page(room, QUILL), reader_number(room, QUILL)
        assert {"var/publisher.db"} <= {each.split("-")[0] for each in traces(room.site.folder)}
        assert "daemon.log" not in traces(room.site.folder)

        status, said = post(room, page, do="data")
        known = json.loads(said)
        assert status == 200
        assert known["reader"]["address"] == QUILL
        assert {each["state"] for each in known["mails"]} == {"sent", "failed", "deferred"}
        assert [each["kind"] for each in known["bounces"]] == ["hard"]
        assert QUILL not in json.dumps(known["mails"] + known["bounces"])

        assert "Zebulon" in post(room, page, do="erase")[1]  # asks once more
        assert traces(room.site.folder)
        assert "You are forgotten" in post(room, page, do="erase", sure="yes")[1]
        assert traces(room.site.folder) == set()
        assert room.site.get(page)[0] == 404
        assert post(room, page, do="save", newsletter="daily")[0] == 404
        mails = server.to(known_as(QUILL))
        assert room.site.get(link(mails[0], "unsubscribe"))[0] == 404
        assert post(room, link(mails[0], "unsubscribe"), confirm="yes")[0] == 200

        room.site.write("4.md", "Four")
        until(lambda: len(server.to(BO)) == 4, "the other reader's next mail")
        assert traces(room.site.folder) == set()
        assert server.to(known_as(QUILL)) == mails
    assert traces(room.site.folder) == set()
    room.check_books()
    with room.app.db.read() as conn:
        assert [row.reason for row in conn.execute(select(suppression)) if row.address_hash] == [
            "erased"
        ]
        hashed = address_hash(QUILL.lower(), room.app.suppression_key)
        assert conn.execute(select(suppression.c.address_hash)).scalar_one() == hashed
        states = conn.execute(
            select(delivery.c.state).where(delivery.c.subscriber_id == number)
        ).scalars()
        assert sorted(states) == ["cancelled", "failed", "sent"]


def reader_number(room: Newsroom, address: str) -> int:
    with room.app.db.read() as conn:
        reader = subscribers.find(conn, address)
    assert reader is not None
    return reader.id


def test_nothing_of_a_former_address_stays_either(room: Newsroom, server: SmtpServer) -> None:
    both = (*WORDS, "magdalena", "finchnest")
    with room.site.daemon():
        all_that_can_happen_to_a_mail(room, server)
        post(room, own_page(room, QUILL), do="address", address=FINCH)
        until(lambda: server.to(FINCH), "the mail to the new address")
        post(room, link(server.to(FINCH)[0], "address"))
        until(
            lambda: b"another address" in server.to(known_as(QUILL))[-1].data,
            "the last mail to the former address",
        )
        with room.app.db.read() as conn:
            its = select(delivery.c.reply, delivery.c.domain).where(
                delivery.c.edition_id.is_not(None), delivery.c.subscriber_id == 1
            )
            assert {tuple(row) for row in conn.execute(its)} == {("", "finchnest.example")}
            assert conn.execute(select(bounce.c.diagnostic)).scalars().all() == [""]
        room.site.write("5.md", "Five")
        until(lambda: len(server.to(FINCH)) == 2, "the first mail at the new address")
        assert "daemon.log" not in traces(room.site.folder, both)
        assert "You are forgotten" in post(room, own_page(room, FINCH), do="erase", sure="yes")[1]
        assert traces(room.site.folder, both) == set()
    assert traces(room.site.folder, both) == set()
    room.check_books()
    with room.app.db.read() as conn:
        hashed = address_hash(FINCH.lower(), room.app.suppression_key)
        assert conn.execute(select(suppression.c.address_hash)).scalars().all() == [hashed]


def test_killed_before_its_files_were_clean_the_daemon_cleans_them(
    room: Newsroom, server: SmtpServer
) -> None:
    room.site.add_reader(QUILL)
    page, number = own_page(room, QUILL), reader_number(room, QUILL)

    def is_erased() -> bool:
        with room.app.db.read() as conn:
            reader = subscribers.by_id(conn, number)
            return reader is not None and reader.state == "erased"

    with room.site.daemon() as process, ThreadPoolExecutor() as threads:
        with room.app.db.read() as reading:  # which keeps the log from being emptied
            assert reading.execute(select(subscriber.c.id)).scalar_one() == number
            waiting = threads.submit(post, room, page, do="erase", sure="yes")
            until(is_erased, "the reader to be erased")
            process.kill()
            process.wait()
            assert waiting.exception() is not None
        assert traces(room.site.folder / "var")
    with room.site.daemon():
        until(lambda: "are clean of readers who were erased" in room.site.log(), "it to be told")
        assert traces(room.site.folder) == set()


def test_erased_by_a_command_while_the_daemon_runs(room: Newsroom, server: SmtpServer) -> None:
    with room.site.daemon():
        all_that_can_happen_to_a_mail(room, server)
        assert "erased" in room.site.run("subscribers", "erase", QUILL)
        assert traces(room.site.folder) == set()
        room.site.write("4.md", "Four")
        until(lambda: len(server.to(BO)) == 4, "the other reader's next mail")
    assert traces(room.site.folder) == set()
    room.check_books()


def test_only_its_owner_brings_an_erased_address_back(room: Newsroom, server: SmtpServer) -> None:
    room.site.add_reader(QUILL)
    assert "erased" in room.site.call("subscribers", "erase", QUILL)
    assert traces(room.site.folder / "var") == set()
    said = room.site.run("subscribers", "add", QUILL, "--newsletter", "daily", status=1)
    assert "forgotten" in said
    with room.site.daemon():
        post(room, "/subscribe", email=QUILL, newsletter="daily")
        until(lambda: server.to(known_as(QUILL)), "the mail that asks to confirm")
        post(room, link(server.mails[0]), confirm="yes")
    with room.app.db.read() as conn:
        assert conn.execute(select(suppression)).all() == []
        states = conn.execute(
            select(subscription.c.state, subscriber.c.state)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .order_by(subscription.c.id)
        ).all()
    assert [tuple(row) for row in states] == [("unsubscribed", "erased"), ("confirmed", "active")]
