"""What the answer of a mail server means for a delivery, and when it is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto

from publisher.core import replies
from publisher.core.model import DeliveryState
from publisher.core.replies import enhanced_status, printable_reply

BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 120, 240))
"""Waits between attempts; the last one repeats."""
EXPIRY = timedelta(days=3)
"""From the first attempt; a server that defers for longer has refused."""
RECONNECT = timedelta(seconds=2)
"""A lost connection says nothing against the mail: soon again, doubled each time."""
LONGEST_RECONNECT = timedelta(minutes=15)


class Stage(StrEnum):
    """The step of a mail that got the answer."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"
    """The end of the message."""


class Kind(StrEnum):
    ANSWERED = "answered"
    """The server gave a reply that settles this attempt."""
    LOST = "lost"
    """The connection broke before the message was handed over."""
    LOST_AFTER_DATA = "lost after data"
    """It broke after the whole message was written: it may have arrived (RFC 1047 section 1)."""
    REFUSED_HERE = "refused here"
    """We would not send it (an address no envelope can hold, a server without SMTPUTF8)."""
    NOT_WANTED = "not wanted"
    """We broke it off before DATA: the reader left, the edition is held, the lease is over."""


class Scope(StrEnum):
    """Whom an answer is about."""

    MAIL = "mail"
    """This mail to this reader."""
    SESSION = "session"
    """This connection: it is closed, the mail tried again soon on another; the reader is not
    to blame."""
    DOMAIN = "domain"
    """The receiving domain refuses us at this relay: it is paused there, nobody is removed."""
    RELAY = "relay"
    """The relay refuses us as a whole: it is not used for a while, no mail is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt."""

    kind: Kind
    stage: Stage | None = None
    """None where no step was reached."""
    code: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    state: DeliveryState
    next_attempt_at: datetime | None = None
    smtp_status: int | None = None
    enhanced_status: str = ""
    reply: str = ""
    """Printable, without addresses (`printable_reply`)."""
    scope: Scope = Scope.MAIL
    hard: bool = False
    """The address itself does not exist: a hard bounce."""
    in_doubt: bool = False
    """The message may have arrived."""


def judge(
    answer: Answer,
    *,
    attempt: int,
    first_attempt_at: datetime,
    now: datetime,
    resend: bool,
    domain_takes_mail: bool,
) -> Outcome:
    """The state that follows from an answer (RFC 5321 section 4.2, RFC 3463).

    `attempt` counts from 1. What is deferred is given up `EXPIRY` after the first attempt.
    `resend`: a mail that may have arrived is sent again (with back-off, as the reader may get a
    copy each time); else it stays uncertain. `domain_takes_mail`: this domain took another mail
    at this relay after it last refused one for policy; then a repeated refusal is about this
    reader and not about us.

    Raises ValueError for an answer of the kind NOT_WANTED: nobody answered.
    """
    if answer.kind is Kind.NOT_WANTED:
        raise ValueError("a mail that we broke off has no answer to judge")
    said = printable_reply(answer.text)
    status = enhanced_status(said)
    meaning = _meaning(answer, status, said)

    def settled(
        state: DeliveryState,
        scope: Scope = Scope.MAIL,
        *,
        at: datetime | None = None,
        hard: bool = False,
        in_doubt: bool = False,
    ) -> Outcome:
        return Outcome(
            state=state,
            next_attempt_at=at,
            smtp_status=answer.code,
            enhanced_status=status,
            reply=said or answer.kind.value,
            scope=scope,
            hard=hard,
            in_doubt=in_doubt,
        )

    def again(wait: timedelta, scope: Scope = Scope.MAIL, *, in_doubt: bool = False) -> Outcome:
        if now + wait - first_attempt_at > EXPIRY:
            given_up = DeliveryState.UNCERTAIN if in_doubt else DeliveryState.FAILED
            return settled(given_up, scope, in_doubt=in_doubt)
        return settled(DeliveryState.DEFERRED, scope, at=now + wait, in_doubt=in_doubt)

    wait = BACK_OFF[min(attempt, len(BACK_OFF)) - 1]
    match meaning:
        case _Meaning.TAKEN:
            return settled(DeliveryState.SENT)
        case _Meaning.LATER:
            return again(wait)
        case _Meaning.ON_ANOTHER_CONNECTION:
            return again(
                min(RECONNECT * 2 ** min(attempt - 1, 20), LONGEST_RECONNECT), Scope.SESSION
            )
        case _Meaning.PERHAPS_TAKEN if resend:
            return again(wait, Scope.SESSION, in_doubt=True)
        case _Meaning.PERHAPS_TAKEN:
            return settled(DeliveryState.UNCERTAIN, Scope.SESSION, in_doubt=True)
        case _Meaning.NOT_US if answer.stage is Stage.MAIL:
            return settled(DeliveryState.PENDING, Scope.RELAY)
        case _Meaning.NOT_US:
            # Deferred and not given back: what one address brought about would else be the first
            # to be tried again, and keep the relay from all others for ever.
            return again(wait, Scope.RELAY)
        case _Meaning.POLICY if attempt == 1 or not domain_takes_mail:
            return again(wait, Scope.DOMAIN)
        case _Meaning.NO_SUCH_ADDRESS:
            return settled(DeliveryState.FAILED, hard=True)
        case _Meaning.POLICY | _Meaning.REFUSED:
            return settled(DeliveryState.FAILED)


class _Meaning(Enum):
    TAKEN = auto()
    PERHAPS_TAKEN = auto()
    LATER = auto()
    ON_ANOTHER_CONNECTION = auto()
    NOT_US = auto()
    POLICY = auto()
    NO_SUCH_ADDRESS = auto()
    REFUSED = auto()


# Enhanced status codes without their class: subject, detail.
_TOO_BIG = ((3, 4), (2, 3))
_TOO_MANY_RECIPIENTS = (5, 3)
_SYSTEM_FULL = ((3, 1), (3, 2))
_NO_SUCH_ADDRESS = ((1, 0), (1, 1), (1, 2), (1, 3), (1, 6), (1, 10))
_OUR_ADDRESS = ((1, 7), (1, 8), (7, 27))  # the last one: RFC 7505 section 4.2
_LOG_IN = ((7, 8), (7, 9), (7, 11), (7, 13))  # RFC 4954 section 6, RFC 5248
_ADDRESSING, _MAILBOX, _SYSTEM, _ROUTING, _CONTENT, _POLICY = 1, 2, 3, 4, 6, 7

_CLOSING = 421
_LOG_IN_CODES = (530, 534, 535, 538)  # RFC 4954 section 6
_OUT_OF_STEP = 503
_DOMAIN_TAKES_NO_MAIL = 556  # RFC 7504
_OF_MAILBOXES = (550, 551, 553)


def _meaning(answer: Answer, status: str, said: str) -> _Meaning:
    code, stage = answer.code or 0, answer.stage
    if answer.kind is Kind.REFUSED_HERE:
        return _Meaning.REFUSED
    if answer.kind is Kind.LOST_AFTER_DATA:
        return _Meaning.PERHAPS_TAKEN
    if answer.kind is Kind.LOST:
        return _Meaning.ON_ANOTHER_CONNECTION
    if 200 <= code < 300 and stage is Stage.DOT:
        return _Meaning.TAKEN
    if not 400 <= code < 600:  # garbage, or a yes where none may stand
        after_data = stage is Stage.DOT
        return _Meaning.PERHAPS_TAKEN if after_data else _Meaning.ON_ANOTHER_CONNECTION
    # Where an enhanced status contradicts the code, the code rules and the status says nothing.
    about = (0, 0)
    if status[:1] == str(code)[:1]:
        about = (int(status.split(".")[1]), int(status.split(".")[2]))
    if stage is Stage.MAIL:
        return _before_any_reader(code, about, said)
    return _for_now(code, about, said) if code < 500 else _for_good(code, about, stage, said)


def _before_any_reader(code: int, about: tuple[int, int], said: str) -> _Meaning:
    """At MAIL nothing depends on the reader, but for the size and the SMTPUTF8 of their mail."""
    too_big = about in _TOO_BIG or (code == 552 and about == (0, 0))  # RFC 1870 section 6
    if too_big or about[0] == _CONTENT or replies.speaks_of_smtputf8(said):
        return _Meaning.REFUSED if code >= 500 else _Meaning.LATER
    if code == _CLOSING and about[0] != _POLICY:
        return _Meaning.ON_ANOTHER_CONNECTION
    return _Meaning.NOT_US


def _for_now(code: int, about: tuple[int, int], said: str) -> _Meaning:
    if code == _CLOSING:
        patience = about[0] in (_MAILBOX, _POLICY)
        return _Meaning.LATER if patience else _Meaning.ON_ANOTHER_CONNECTION
    if about == _TOO_MANY_RECIPIENTS or replies.speaks_of_too_many_recipients(said):
        return _Meaning.ON_ANOTHER_CONNECTION
    full = about in _SYSTEM_FULL or (code == 452 and about[0] == _SYSTEM and about not in _TOO_BIG)
    return _Meaning.NOT_US if full or about in _OUR_ADDRESS else _Meaning.LATER


def _for_good(code: int, about: tuple[int, int], stage: Stage | None, said: str) -> _Meaning:
    if code in _LOG_IN_CODES or about in (*_OUR_ADDRESS, *_LOG_IN):
        return _Meaning.NOT_US
    # Servers that put off a refusal of MAIL until RCPT say so in words alone.
    if about[0] != _POLICY and replies.refuses_our_sender(said):
        return _Meaning.NOT_US
    if code == _OUT_OF_STEP or about == _TOO_MANY_RECIPIENTS:
        return _Meaning.ON_ANOTHER_CONNECTION
    if code == 552 and stage is Stage.RCPT and about == (0, 0) and not replies.speaks_of_room(said):
        return _Meaning.ON_ANOTHER_CONNECTION  # RFC 5321 section 4.5.3.1.10
    plain = about[0] in (_ADDRESSING, _MAILBOX, _ROUTING) and about[1] != 0
    if about[0] == _POLICY or (code >= 550 and not plain and replies.speaks_of_policy(said)):
        return _Meaning.POLICY
    if about in _NO_SUCH_ADDRESS or code == _DOMAIN_TAKES_NO_MAIL:
        return _Meaning.NO_SUCH_ADDRESS
    if code in _OF_MAILBOXES and about == (0, 0) and replies.says_no_such_address(said):
        return _Meaning.NO_SUCH_ADDRESS
    return _Meaning.REFUSED
