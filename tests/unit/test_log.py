"""What the log shows of an event, and what it never shows."""

import json
import logging
import re
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from publisher.kit import log

Captured = pytest.CaptureFixture[str]


def ours() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("publisher.delivery")
    return logger


def lines(capsys: Captured) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_program_reads_one_json_object_an_event(capsys: Captured) -> None:
    log.configure(json=True)
    ours().info("edition planned", edition=7, slot="daily/weekly@mon-07:00[Europe/Berlin]")
    (line,) = lines(capsys)
    event = json.loads(line)
    stamp = event.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamp)
    assert event == {
        "event": "edition planned",
        "level": "info",
        "logger": "publisher.delivery",
        "edition": 7,
        "slot": "daily/weekly@mon-07:00[Europe/Berlin]",
    }


def test_a_person_reads_one_plain_line_an_event(capsys: Captured) -> None:
    log.configure(json=False)
    ours().info("edition planned", edition=7)
    (line,) = lines(capsys)
    assert re.match(r"\S+Z \[info +\] edition planned +\[publisher\.delivery\] edition=7$", line)


MASKED = [
    ("sent to anna@news.example", "sent to <address>"),
    ("<anna.o'neil+x@mail.news.example>,", "<<address>>,"),
    ("анна@новости.example", "<address>"),
    ("root@localhost, x@[127.0.0.1]", "<address>, <address>"),
    ('"anna b"@news.example', "<address>"),
    ("/s?to=anna%40news.example&a=b", "/s?<address>&a=b"),
    ("bounce+anna=home.example@news.example", "<address>"),
    ("smtp://anna:hun@ter2@mx.example:587/", "smtp://<hidden>@mx.example:587/"),
    ("postgresql://u:hunter2@db/news", "postgresql://<hidden>@db/news"),
    ("POST /unsubscribe/hunter2.x-Y_z HTTP/1.1", "POST /unsubscribe/<token> HTTP/1.1"),
    ("https://n.example/unsubscribe/hunter2?x=1", "https://n.example/unsubscribe/<token>?x=1"),
    ("/admin?token=hunter2&page=3", "/admin?token=<hidden>&page=3"),
    ("connect(host=db password=hunter2)", "connect(host=db password=<hidden>)"),
    ("https://social.example/@desk/1", "https://social.example/@desk/1"),
    ("daily@07:00[Europe/Berlin]", "daily@07:00[Europe/Berlin]"),
    ("10:30 @ the desk", "10:30 @ the desk"),
]


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(("text", "shown"), MASKED)
def test_addresses_and_secrets_are_masked_wherever_they_stand(
    capsys: Captured, text: str, shown: str, as_json: bool
) -> None:
    assert log.mask(text) == shown
    log.configure(json=as_json)
    ours().warning(text, where=text, deep={"list": [text, (text,)]}, raw=text.encode())
    ours().warning("it failed", error=OSError(text))
    logging.getLogger("aiosmtplib").warning("said %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        ours().exception("it failed")
        logging.getLogger("uvicorn.error").exception("it failed with %r", text)
    written = lines(capsys)
    assert len(written) == 5
    for secret in ("anna", "анна", "hunter2", "ter2"):
        if secret not in shown:
            assert secret not in "".join(json.dumps(line, ensure_ascii=False) for line in written)
    if as_json:
        first = json.loads(written[0])
        assert first["event"] == first["where"] == first["raw"] == shown
        assert json.loads(written[1])["error"] == f"OSError: {shown}"
        assert f"ValueError: {shown}" in json.loads(written[3])["exception"]


@pytest.mark.parametrize(
    "name", ["password", "secret", "token", "key", "api_key", "Relay-Password"]
)
def test_values_of_secret_names_are_masked(capsys: Captured, name: str) -> None:
    log.configure(json=True)
    ours().info("x", **{name: "hunter2"}, deep=[{name: b"hunter2"}], key_id="k1")
    (line,) = lines(capsys)
    assert "hunter2" not in line
    assert json.loads(line)["key_id"] == "k1"


@pytest.mark.parametrize("as_json", [True, False])
@given(text=st.text())
def test_a_strangers_text_cannot_make_a_line_of_its_own(as_json: bool, text: str) -> None:
    # The formatter alone: capturing streams is slow, and the stream adds one newline to this.
    log.configure(json=as_json)
    formatter = logging.getLogger().handlers[0].formatter
    assert formatter is not None
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "WARNING", "msg": f"a\n{text}", "exc_info": _raised(text)}
    )
    written = formatter.format(record)
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written
    written.encode()


def _raised(text: str) -> object:
    error = ValueError(f"b\n{text}")
    return (ValueError, error, None)


def test_a_person_sees_where_an_exception_came_from(capsys: Captured) -> None:
    log.configure(json=False)
    try:
        try:
            raise OSError("no route")
        except OSError as error:
            raise ValueError("relay\ngone") from error
    except ValueError:
        ours().exception("it failed")
    (line,) = lines(capsys)
    assert "ValueError: relay" in line
    assert "(from OSError: no route)" in line
    assert "test_log.py:" in line


def test_libraries_are_heard_from_warnings_on_and_we_from_info_on(capsys: Captured) -> None:
    log.configure(json=True)
    for name in ("uvicorn.error", "apscheduler", "aiosmtplib", "alembic", "sqlalchemy.engine"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    ours().debug("detail")
    ours().info("news")
    events = [json.loads(line)["event"] for line in lines(capsys)]
    assert events == ["trouble"] * 5 + ["news"]


def test_configuring_again_replaces_the_first(capsys: Captured) -> None:
    log.configure(json=True)
    log.configure(json=False)
    ours().info("once")
    (line,) = lines(capsys)
    assert not line.startswith("{")


def test_an_endless_word_is_masked_in_no_time() -> None:
    word = "a" * 50_000
    started = time.perf_counter()
    for text in (word, f"{word}@", f"://{word}", f'"{word}', "a@" * 25_000, "a.b@c." * 8_000):
        log.mask(text)
    # Milliseconds; with a pattern that backtracks it would be many minutes.
    assert time.perf_counter() - started < 60
