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
    LONGEST_RECONNECT,
    Answer,
    Kind,
    Outcome,
    Scope,
    Stage,
    judge,
)
from publisher.core.replies import enhanced_status, printable_reply, without_mailbox

FIRST = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MAIL, RCPT, DATA, DOT = Stage
JUDGED = [each for each in Kind if each is not Kind.NOT_WANTED]


def after(
    kind: Kind,
    code: int | None = None,
    text: str = "",
    *,
    stage: Stage | None = Stage.DOT,
    attempt: int = 1,
    age: timedelta = timedelta(0),
    resend: bool = True,
    domain_takes_mail: bool = False,
) -> Outcome:
    """What becomes of a mail, so long after its first attempt."""
    return judge(
        Answer(kind=kind, stage=stage, code=code, text=text),
        attempt=attempt,
        first_attempt_at=FIRST,
        now=FIRST + age,
        resend=resend,
        domain_takes_mail=domain_takes_mail,
    )


def said(stage: Stage, line: str) -> Outcome:
    """The first answer to a mail; `line` as it comes, its lines joined as `wire` joins them."""
    code, _, text = line.partition(" ")
    return after(Kind.ANSWERED, int(code), text, stage=stage)


def in_short(outcome: Outcome) -> str:
    """State, scope and when again, as the table below has them."""
    wait = outcome.next_attempt_at and outcome.next_attempt_at - FIRST
    words = [outcome.state.value]
    if outcome.scope is not Scope.MAIL:
        words.append(outcome.scope.value)
    if wait is not None:
        words.append("soon" if wait < BACK_OFF[0] else "later")
    if outcome.hard:
        words.append("hard")
    if outcome.in_doubt:
        words.append("in doubt")
    return " ".join(words)


TABLE = [
    # taken
    (DOT, "250 2.0.0 Ok: queued as 4F3C", "sent"),
    (DOT, "250 ", "sent"),
    (DOT, "251 2.1.5 Will forward", "sent"),
    (DOT, "250 5.1.1 the code rules", "sent"),
    # a yes where none may stand, and garbage
    (MAIL, "250 2.1.0 Ok", "deferred session soon"),
    (RCPT, "250 2.0.0 Ok: queued", "deferred session soon"),
    (DATA, "250 2.0.0 Ok: queued", "deferred session soon"),
    (RCPT, "354 go on", "deferred session soon"),
    (DOT, "354 go on", "deferred session later in doubt"),
    (DOT, "199 hm", "deferred session later in doubt"),
    (DOT, "999 hm", "deferred session later in doubt"),
    # not now
    (RCPT, "450 4.2.0 Greylisted, come back in five minutes", "deferred later"),
    (RCPT, "451 4.7.1 Greylisting in action", "deferred later"),
    (RCPT, "450 try again later", "deferred later"),
    (RCPT, "451 4.4.3 name server timed out", "deferred later"),
    (RCPT, "450 4.1.1 unknown for now", "deferred later"),
    (RCPT, "452 4.2.2 over quota", "deferred later"),
    (RCPT, "452 out of something", "deferred later"),
    (RCPT, "450 5.1.1 user unknown", "deferred later"),  # the code rules
    (RCPT, "454 4.7.1 Relay access denied", "deferred later"),
    (DATA, "451 4.3.0 a table cannot be read", "deferred later"),
    (DOT, "451 4.7.1 spam scanner is busy", "deferred later"),
    (DOT, "450 4.7.26 not authenticated, come back with SPF", "deferred later"),
    # the session is over, the mail is not
    (RCPT, "421 4.3.2 shutting down", "deferred session soon"),
    (MAIL, "421 hundred mails are enough for one connection", "deferred session soon"),
    (DOT, "421 4.4.2 timeout", "deferred session soon"),
    (RCPT, "452 4.5.3 Too many recipients", "deferred session soon"),
    (RCPT, "451 4.5.3 too many recipients received this hour", "deferred session soon"),
    (RCPT, "452 Too many recipients", "deferred session soon"),
    (RCPT, "550 5.5.3 too many recipients", "deferred session soon"),
    (RCPT, "552 too many recipients", "deferred session soon"),
    (RCPT, "552 no more of them", "deferred session soon"),
    (DATA, "503 5.5.1 bad sequence of commands", "deferred session soon"),
    # but a 421 about us or the reader wants patience
    (RCPT, "421 4.7.0 too much mail from your network", "deferred later"),
    (DOT, "421 4.7.28 rate of mail is unusual 4.7.28 for your domain", "deferred later"),
    (RCPT, "421 4.2.1 mail for this reader comes too fast", "deferred later"),
    # the relay, and not one of its readers
    (MAIL, "450 4.7.1 not now", "pending relay"),
    (MAIL, "421 4.7.0 wait until your reputation mends", "pending relay"),
    (MAIL, "451 4.3.0 a table cannot be read", "pending relay"),
    (MAIL, "452 4.3.1 disk full", "pending relay"),
    (MAIL, "550 5.7.1 go away", "pending relay"),
    (MAIL, "550 5.1.1 no such user", "pending relay"),
    (MAIL, "553 5.1.8 sender domain not found", "pending relay"),
    (MAIL, "530 5.7.0 log in first", "pending relay"),
    (MAIL, "552 5.2.2 your own mailbox is full", "pending relay"),
    (MAIL, "555 5.5.4 unsupported option", "pending relay"),
    (RCPT, "530 5.7.57 client was not authenticated", "deferred relay later"),
    (RCPT, "535 5.7.8 wrong password", "deferred relay later"),
    (RCPT, "538 encryption required", "deferred relay later"),
    (RCPT, "550 5.7.8 log in", "deferred relay later"),
    (RCPT, "553 5.1.8 <news@news.example>: your domain is not there", "deferred relay later"),
    (RCPT, "450 4.1.8 Sender address rejected: Domain not found", "deferred relay later"),
    (RCPT, "553 5.1.7 bad address syntax of the sender", "deferred relay later"),
    (RCPT, "550 5.7.27 sender's domain takes no mail", "deferred relay later"),
    (
        RCPT,
        "550 5.1.0 <news@news.example>: Sender address rejected: User unknown in the table",
        "deferred relay later",
    ),
    (
        RCPT,
        "550 Verification failed for <news@news.example> No such user here Sender verify failed",
        "deferred relay later",
    ),
    (RCPT, "452 4.3.1 system full", "deferred relay later"),
    (RCPT, "451 4.3.2 not taking mail now", "deferred relay later"),
    (DOT, "452 4.3.0 no space for the queue", "deferred relay later"),
    # the size, and the kind of address: of this mail alone, even at MAIL
    (MAIL, "552 5.3.4 too big", "failed"),
    (MAIL, "552 message exceeds fixed maximum size", "failed"),
    (MAIL, "550 5.2.3 larger than the administrator allows", "failed"),
    (MAIL, "452 4.3.4 too big today", "deferred later"),
    (MAIL, "550 5.6.7 non-ASCII addresses not permitted", "failed"),
    (MAIL, "555 SMTPUTF8 unknown", "failed"),
    (RCPT, "553 5.6.7 non-ASCII addresses not permitted", "failed"),
    (DOT, "552 5.3.4 too big", "failed"),
    (DOT, "552 over the limit", "failed"),
    # no such address
    (RCPT, "550 5.1.1 <ada@reader.example>: Recipient address rejected: unknown", "failed hard"),
    (RCPT, "550 5.1.0 Address rejected", "failed hard"),
    (RCPT, "550 5.1.2 no such domain", "failed hard"),
    (RCPT, "501 5.1.3 Bad recipient address syntax", "failed hard"),
    (RCPT, "550 5.1.6 moved, and left no address", "failed hard"),
    (RCPT, "550 5.1.10 domain takes no mail (null MX)", "failed hard"),
    (RCPT, "556 domain does not accept mail", "failed hard"),
    (DOT, "550 5.1.1 nobody of that name", "failed hard"),
    (
        RCPT,
        "550 5.1.1 The account does not exist. See https://help.example/policy 6a1803df08f44",
        "failed hard",
    ),
    (RCPT, "550 sorry, no mailbox here by that name. (#5.1.1)", "failed hard"),
    (RCPT, "511 sorry, not one of ours (#5.1.1 - checked)", "failed hard"),
    (RCPT, "550 No such user here", "failed hard"),
    (RCPT, "550 no such domain", "failed hard"),
    (RCPT, "550 User unknown", "failed hard"),
    (RCPT, "550 Unknown user", "failed hard"),
    (RCPT, "550 <ada@reader.example>... User unknown", "failed hard"),
    (RCPT, "550 <ada@reader.example> unknown", "failed hard"),
    (RCPT, "550 5.0.0 <ada@reader.example>: mailbox not found", "failed hard"),
    (RCPT, "553 recipient doesn't exist", "failed hard"),
    (RCPT, "551 not our customer", "failed hard"),
    (RCPT, "550 invalid recipient", "failed hard"),
    # no, but the reader may be there
    (RCPT, "550 5.2.1 mailbox disabled", "failed"),
    (RCPT, "550 5.2.1 account is blocked", "failed"),
    (RCPT, "552 5.2.2 mailbox full", "failed"),
    (RCPT, "552 exceeded storage allocation", "failed"),
    (RCPT, "552 mailbox full", "failed"),
    (RCPT, "550 5.1.4 ambiguous", "failed"),
    (RCPT, "550 5.1.5 valid, oddly enough", "failed"),
    (RCPT, "550 5.4.1 Recipient address rejected: Access denied", "failed"),
    (RCPT, "554 5.4.6 mail loop", "failed"),
    (RCPT, "550 Requested action not taken: mailbox unavailable", "failed"),
    (RCPT, "551 please try another server", "failed"),
    (RCPT, "550 Unrouteable address", "failed"),
    (RCPT, "554 no such user", "failed"),  # not a code that speaks of mailboxes
    (RCPT, "550 ", "failed"),
    (RCPT, "500 5.5.2 what?", "failed"),
    (RCPT, "521 5.3.2 takes no mail at all", "failed"),
    (DATA, "554 no valid recipients", "failed"),
    (DOT, "554 transaction failed", "failed"),
    (DOT, "554 5.6.0 malformed message", "failed"),
    # policy: it is us whom they will not have
    (RCPT, "550 5.7.1 not welcome", "deferred domain later"),
    (RCPT, "554 5.7.1 <ada@reader.example>: Relay access denied", "deferred domain later"),
    (DOT, "550 5.7.26 fails SPF and DKIM", "deferred domain later"),
    (DOT, "554 5.7.1 Sender rejected by the filter", "deferred domain later"),
    (RCPT, "550 relaying denied", "deferred domain later"),
    (RCPT, "550 Your host is on our block list", "deferred domain later"),
    (RCPT, "554 blocked, see https://list.example/192.0.2.1", "deferred domain later"),
    (RCPT, "554 bad reputation of 192.0.2.1", "deferred domain later"),
    (DOT, "550 looks like spam", "deferred domain later"),
    (DOT, "554 5.3.0 rejected for DMARC", "deferred domain later"),
    (RCPT, "550 5.1.0 blocked for unsolicited mail", "deferred domain later"),
    (RCPT, "550 4.7.1 blocked", "deferred domain later"),
    (RCPT, "550 no such user for spammers", "deferred domain later"),
    (RCPT, "550 rate of connections too high", "deferred domain later"),
]


@pytest.mark.parametrize(
    ("stage", "line", "meaning"), TABLE, ids=[f"{stage} {line}"[:60] for stage, line, _ in TABLE]
)
def test_an_answer_has_its_meaning(stage: Stage, line: str, meaning: str) -> None:
    outcome = said(stage, line)
    assert in_short(outcome) == meaning
    assert outcome.smtp_status == int(line[:3])
    assert "@" not in outcome.reply


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (Kind.LOST, "deferred session soon"),
        (Kind.LOST_AFTER_DATA, "deferred session later in doubt"),
        (Kind.REFUSED_HERE, "failed"),
    ],
)
def test_without_an_answer(kind: Kind, meaning: str) -> None:
    assert in_short(after(kind)) == meaning
    assert after(kind).reply == kind.value


def test_what_was_broken_off_is_not_judged() -> None:
    with pytest.raises(ValueError, match="broke off"):
        after(Kind.NOT_WANTED)


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 60), (5, 120), (6, 240), (50, 240)]
)
def test_a_deferred_mail_waits_longer_each_time(attempt: int, minutes: int) -> None:
    assert after(Kind.ANSWERED, 450, attempt=attempt).next_attempt_at == FIRST + timedelta(
        minutes=minutes
    )


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900), (1000, 900)]
)
def test_a_lost_connection_is_made_again_soon_but_not_in_a_tight_loop(
    attempt: int, seconds: int
) -> None:
    outcome = after(Kind.LOST, attempt=attempt)
    assert outcome.next_attempt_at == FIRST + timedelta(seconds=seconds)
    assert timedelta(seconds=seconds) <= LONGEST_RECONNECT


def test_a_connection_lost_after_the_message_waits_lest_copies_pile_up() -> None:
    for attempt, wait in enumerate(BACK_OFF, 1):
        outcome = after(Kind.LOST_AFTER_DATA, attempt=attempt)
        assert outcome.state == "deferred"
        assert outcome.next_attempt_at == FIRST + wait


@pytest.mark.parametrize(
    ("kind", "code"), [(Kind.LOST_AFTER_DATA, None), (Kind.ANSWERED, 354), (Kind.ANSWERED, 0)]
)
def test_who_wants_no_copies_gets_an_uncertain_mail(kind: Kind, code: int | None) -> None:
    outcome = after(kind, code, resend=False)
    assert (outcome.state, outcome.in_doubt) == ("uncertain", True)
    assert after(Kind.LOST, resend=False).state == "deferred"
    assert after(Kind.ANSWERED, 451, resend=False).state == "deferred"


@pytest.mark.parametrize("line", ["550 5.7.1 not welcome", "554 looks like spam"])
def test_who_alone_in_a_domain_refuses_us_again_is_one_reader(line: str) -> None:
    code, _, text = line.partition(" ")

    def again(attempt: int, takes: bool, age: timedelta = timedelta(0)) -> str:
        return in_short(
            after(
                Kind.ANSWERED,
                int(code),
                text,
                stage=RCPT,
                attempt=attempt,
                domain_takes_mail=takes,
                age=age,
            )
        )

    assert again(1, False) == again(1, True) == again(2, False) == "deferred domain later"
    assert again(2, True) == "failed"
    assert again(30, False, EXPIRY) == "failed domain"


@pytest.mark.parametrize(
    ("kind", "code", "state"),
    [
        (Kind.ANSWERED, 450, "failed"),
        (Kind.ANSWERED, 421, "failed"),
        (Kind.LOST, None, "failed"),
        (Kind.LOST_AFTER_DATA, None, "uncertain"),
        (Kind.ANSWERED, 250, "sent"),
    ],
)
def test_in_the_end_no_mail_stays_open(kind: Kind, code: int | None, state: str) -> None:
    outcome = after(kind, code, age=EXPIRY)
    assert (outcome.state, outcome.next_attempt_at, outcome.hard) == (state, None, False)


_REPLIES = st.text(max_size=60) | st.builds(
    "{}{}.{}.{} {}".format,
    st.sampled_from(["", " ", "(#"]),
    st.sampled_from("245"),
    st.integers(0, 9),
    st.integers(0, 30),
    st.sampled_from([line for _, line, _ in TABLE]) | st.text(max_size=60),
)


@given(
    kind=st.sampled_from(JUDGED),
    stage=st.none() | st.sampled_from(Stage),
    code=st.none() | st.integers(0, 999),
    text=_REPLIES,
    attempt=st.integers(1, 1000),
    age=st.timedeltas(timedelta(-1), timedelta(days=30)),
    resend=st.booleans(),
    takes=st.booleans(),
)
def test_every_answer_leads_to_a_state_the_books_know(
    kind: Kind,
    stage: Stage | None,
    code: int | None,
    text: str,
    attempt: int,
    age: timedelta,
    resend: bool,
    takes: bool,
) -> None:
    outcome = after(
        kind,
        code,
        f"<ada@reader.example> {text}",
        stage=stage,
        attempt=attempt,
        age=age,
        resend=resend,
        domain_takes_mail=takes,
    )
    if outcome.state is DeliveryState.DEFERRED:
        assert outcome.next_attempt_at is not None
        assert FIRST + age < outcome.next_attempt_at <= FIRST + EXPIRY
    else:
        assert outcome.next_attempt_at is None
    if outcome.state is DeliveryState.SENT:
        assert (kind, stage, (code or 0) // 100) == (Kind.ANSWERED, Stage.DOT, 2)
    if outcome.state is DeliveryState.PENDING:
        assert (outcome.scope, stage) == (Scope.RELAY, Stage.MAIL)
    if outcome.hard:
        assert (outcome.state, outcome.scope) == (DeliveryState.FAILED, Scope.MAIL)
        assert kind is Kind.ANSWERED
        assert stage is not Stage.MAIL
        assert (code or 0) // 100 == 5
    if outcome.in_doubt:
        assert outcome.state in (DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
    assert (outcome.state is DeliveryState.UNCERTAIN) <= outcome.in_doubt
    assert resend or not (outcome.in_doubt and outcome.state is DeliveryState.DEFERRED)
    assert outcome.reply
    assert outcome.reply.isprintable()
    assert "ada@" not in outcome.reply


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("5.1.1 User unknown", "5.1.1"),
        (" 4.7.1 Greylisted", "4.7.1"),
        ("2.0.0", "2.0.0"),
        ("5.7.509 Rejected", "5.7.509"),
        ("User unknown 5.1.1", ""),
        ("User unknown (#5.1.1)", "5.1.1"),
        ("User unknown (#5.1.1 - see there)", "5.1.1"),
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


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no such user Ada.Byron", "no such user <recipient>"),
        ("ada.byron: quota; ADA.BYRON is full", "<recipient>: quota; <recipient> is full"),
        ("canada.byron and adaXbyron are others", "canada.byron and adaXbyron are others"),
        ("Ok: queued", "Ok: queued"),
        ("", ""),
    ],
)
def test_a_reply_is_kept_without_the_mailbox_it_is_about(said: str, kept: str) -> None:
    assert without_mailbox(said, "ada.byron@reader.example") == kept
