"""What the answers of mail servers mean, and what of their words is kept."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.model import DeliveryState
from publisher.core.outcome import (
    BACK_OFF,
    EXPIRY,
    Answer,
    Kind,
    Outcome,
    enhanced_status,
    judge,
    printable_reply,
)

FIRST = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def after(
    kind: Kind,
    code: int | None = None,
    text: str = "",
    *,
    attempt: int = 1,
    age: timedelta = timedelta(0),
) -> Outcome:
    """What becomes of a mail, so long after its first attempt."""
    answer = Answer(kind=kind, code=code, text=text)
    return judge(answer, attempt=attempt, first_attempt_at=FIRST, now=FIRST + age)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (250, "sent"),
        (251, "sent"),
        (252, "sent"),
        (421, "deferred"),
        (450, "deferred"),
        (451, "deferred"),
        (452, "deferred"),
        (500, "failed"),
        (550, "failed"),
        (552, "failed"),
        (554, "failed"),
        (599, "failed"),
    ],
)
def test_a_reply_settles_a_mail(code: int, state: str) -> None:
    outcome = after(Kind.ANSWERED, code, "4.2.0 words")
    assert outcome.state == state
    assert (outcome.smtp_status, outcome.reply) == (code, "4.2.0 words")
    assert (outcome.next_attempt_at is not None) == (state == "deferred")


@pytest.mark.parametrize("code", [-1, 0, 1, 100, 199, 300, 354, 399])
def test_a_reply_that_is_neither_yes_nor_no_is_no_yes(code: int) -> None:
    assert after(Kind.ANSWERED, code).state == "deferred"


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 60), (5, 120), (6, 240), (50, 240)]
)
def test_a_deferred_mail_waits_longer_each_time(attempt: int, minutes: int) -> None:
    assert after(Kind.ANSWERED, 450, attempt=attempt).next_attempt_at == FIRST + timedelta(
        minutes=minutes
    )


def test_a_connection_lost_before_the_message_is_tried_again_soon() -> None:
    first, fifth = after(Kind.LOST), after(Kind.LOST, attempt=5)
    assert first.state == fifth.state == "deferred"
    assert first.next_attempt_at == FIRST + timedelta(seconds=2)
    assert fifth.next_attempt_at == FIRST + timedelta(seconds=10)


def test_a_connection_lost_after_the_message_waits_lest_copies_pile_up() -> None:
    for attempt, wait in enumerate(BACK_OFF, 1):
        outcome = after(Kind.LOST_AFTER_DATA, attempt=attempt)
        assert outcome.state == "deferred"
        assert outcome.next_attempt_at == FIRST + wait


@pytest.mark.parametrize(
    ("kind", "code", "state"),
    [
        (Kind.ANSWERED, 450, "failed"),
        (Kind.LOST, None, "failed"),
        (Kind.LOST_AFTER_DATA, None, "uncertain"),
        (Kind.ANSWERED, 250, "sent"),
    ],
)
def test_in_the_end_no_mail_stays_open(kind: Kind, code: int | None, state: str) -> None:
    assert after(kind, code, age=EXPIRY).state == state
    assert after(kind, code, age=EXPIRY).next_attempt_at is None


def test_what_we_refuse_ourselves_is_not_tried_again() -> None:
    outcome = after(Kind.REFUSED_HERE, text="the relay does not take such addresses")
    assert outcome.state == "failed"
    assert outcome.reply == "the relay does not take such addresses"


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.LOST_AFTER_DATA, Kind.REFUSED_HERE])
def test_without_words_the_reply_names_what_happened(kind: Kind) -> None:
    assert after(kind).reply == kind.value


@given(
    st.sampled_from(Kind),
    st.none() | st.integers(-1, 999),
    st.integers(1, 1000),
    st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_every_answer_leads_to_a_state_the_books_know(
    kind: Kind, code: int | None, attempt: int, age: timedelta
) -> None:
    outcome = after(kind, code, attempt=attempt, age=age)
    assert outcome.state in DeliveryState
    if outcome.state is DeliveryState.DEFERRED:
        assert outcome.next_attempt_at is not None
        assert FIRST + age < outcome.next_attempt_at <= FIRST + EXPIRY
    else:
        assert outcome.next_attempt_at is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("5.1.1 User unknown", "5.1.1"),
        (" 4.7.1 Greylisted", "4.7.1"),
        ("2.0.0", "2.0.0"),
        ("5.7.509 Rejected", "5.7.509"),
        ("User unknown 5.1.1", ""),
        ("5.1.1234 hm", ""),
        ("3.1.1 hm", ""),
        ("51.1.1", ""),
        ("", ""),
    ],
)
def test_the_enhanced_status_is_what_a_reply_begins_with(text: str, status: str) -> None:
    assert enhanced_status(text) == status


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("5.1.1 <ada@reader.example>: unknown", "5.1.1 <recipient>: unknown"),
        ("ada@reader.example is full", "<recipient> is full"),
        ("<ada@reader.example>... User unknown", "<recipient>... User unknown"),
        ("no such user (ada@reader.example)", "no such user <recipient>"),
        ("RCPT TO:<ada@reader.example> refused", "RCPT TO:<recipient> refused"),
        ('"ada b"@reader.example: no', "<recipient>: no"),
        (r'"ada \" b"@reader.example: no', "<recipient>: no"),
        ("o'brien@reader.example: no", "<recipient>: no"),
        ("dörte@bücher.example: no", "<recipient>: no"),
        ("<a@b.example>,<c@d.example>", "<recipient>,<recipient>"),
        ("ada\0@reader.example", "<recipient>"),
        ("ada\r\n@reader.example", "<recipient>"),
        ("first\nsecond\tthird", "first second third"),
        ("\x1b[31mred\x07\x9b", "[31mred"),
        ("\u202etxet\u202c", "txet"),
        ("\udcff\udcfe", ""),
        ("  ", ""),
        ("Ok: queued as 4F3C", "Ok: queued as 4F3C"),
    ],
)
def test_a_reply_is_kept_as_one_line_without_addresses(said: str, kept: str) -> None:
    assert printable_reply(said) == kept


_LETTERS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=10)
_ADDRESSES = st.builds(
    "{}.{}@{}.example".format, _LETTERS, _LETTERS | st.sampled_from(["o'b", "x+y", "a=b"]), _LETTERS
)


@given(st.text(max_size=30), _ADDRESSES, st.text(max_size=30))
def test_no_address_survives_whatever_stands_around_it(
    before: str, address: str, behind: str
) -> None:
    kept = printable_reply(f"{before} <{address}> {behind}")
    assert address not in kept
    assert f"@{address.partition('@')[2]}" not in kept


@given(st.text(max_size=2000))
def test_a_reply_is_short_and_printable_whatever_a_server_says(text: str) -> None:
    kept = printable_reply(text)
    assert len(kept) <= 500
    assert kept.isprintable()
    kept.encode()


@pytest.mark.parametrize("text", ["a", '"', "@", "a@", '"a', " @", "<", "a\t@", "é "])
def test_a_hostile_reply_does_not_hold_us_up(text: str) -> None:
    began = time.process_time()
    printable_reply(text * (65_536 // len(text)))
    assert time.process_time() - began < 1
