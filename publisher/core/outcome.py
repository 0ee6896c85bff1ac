"""What the answer of a mail server means for a delivery, and when it is tried again."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.core.model import DeliveryState

BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 120, 240))
"""Waits between attempts; the last one repeats."""
EXPIRY = timedelta(days=3)
"""From the first attempt; a server that defers for longer has refused."""
RECONNECT = timedelta(seconds=2)
"""A lost connection says nothing against the mail: try again at once, but not in a tight loop."""


class Kind(StrEnum):
    ANSWERED = "answered"
    """The server gave a reply that settles this attempt."""
    LOST = "lost"
    """The connection broke before the message was handed over."""
    LOST_AFTER_DATA = "lost after data"
    """It broke while or after the message was sent: it may have arrived (RFC 1047 section 1)."""
    REFUSED_HERE = "refused here"
    """We would not send it (an address no envelope can hold, a server without SMTPUTF8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt."""

    kind: Kind
    code: int | None = None
    text: str = ""
    """Printable (`printable_reply`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    state: DeliveryState
    next_attempt_at: datetime | None = None
    smtp_status: int | None = None
    enhanced_status: str = ""
    reply: str = ""


def judge(answer: Answer, *, attempt: int, first_attempt_at: datetime, now: datetime) -> Outcome:
    """The state that follows from an answer (RFC 5321 section 4.2.1, RFC 3463).

    `attempt` counts from 1. 2xx is sent, 4xx deferred with back-off until `EXPIRY`, 5xx failed.
    A connection lost before the message is tried again soon. One lost after it with back-off, as
    the reader may get a copy each time; where that goes on until `EXPIRY` it stays uncertain.
    """
    code = answer.code or 0
    if answer.kind is Kind.REFUSED_HERE or code >= 500:
        return _settled(DeliveryState.FAILED, answer)
    if 200 <= code < 300:
        return _settled(DeliveryState.SENT, answer)
    wait = BACK_OFF[min(attempt, len(BACK_OFF)) - 1]
    if answer.kind is Kind.LOST:
        wait = RECONNECT * attempt
    return _again(answer, now + wait, first_attempt_at)


def _again(answer: Answer, at: datetime, first_attempt_at: datetime) -> Outcome:
    if at - first_attempt_at > EXPIRY:
        in_doubt = answer.kind is Kind.LOST_AFTER_DATA
        return _settled(DeliveryState.UNCERTAIN if in_doubt else DeliveryState.FAILED, answer)
    settled = _settled(DeliveryState.DEFERRED, answer)
    return Outcome(
        state=settled.state,
        next_attempt_at=at,
        smtp_status=settled.smtp_status,
        enhanced_status=settled.enhanced_status,
        reply=settled.reply,
    )


def _settled(state: DeliveryState, answer: Answer) -> Outcome:
    return Outcome(
        state=state,
        smtp_status=answer.code,
        enhanced_status=enhanced_status(answer.text),
        reply=answer.text or answer.kind.value,
    )


_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_ADDRESS = re.compile(
    r"""<?
        (?: "(?:[^"\\]|\\.)*+"
          | (?<![^\s<>@,;:"]) [^\s<>@,;:"]++ )  # from its first letter on: in linear time
        \s?@[\s@]*+ [^\s<>,;:"']*+
        >?""",
    re.VERBOSE,
)


def enhanced_status(text: str) -> str:
    """The RFC 3463 status that a reply begins with, or nothing."""
    found = _ENHANCED.match(text)
    return found.group(1) if found else ""


def printable_reply(text: str, limit: int = 500) -> str:
    """A server's reply as it may be kept and logged: one line, no control character, no address."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _ADDRESS.sub("<recipient>", line)[:limit]
