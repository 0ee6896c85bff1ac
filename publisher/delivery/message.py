"""One reader's mail as the bytes that go over the wire; the same facts give the same bytes.

The header is written here and not by `email.message`, which encodes long List-Unsubscribe
addresses (so that no mail program can use them) and takes `=?utf-8?q?a=0aBcc:_x?=` for a header.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import format_datetime
from urllib.parse import quote

from publisher.core import splice
from publisher.core.addresses import format_mailbox, needs_smtputf8
from publisher.core.headers import one_line, unstructured
from publisher.core.model import Rendering
from publisher.errors import PermanentError

_LONGEST_LINE = 998  # RFC 5322 2.1.1
_VALUE = re.compile(r"[!-~](?:[ -~]|\r\n [!-~])*")
_LINK = re.compile(r"(?:https?://|mailto:)[!-;=?-~]+")
_OF_SENDER = re.compile(r"@([A-Za-z0-9.-]+)>\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    address: str
    """Checked (`core.addresses.check`)."""
    name: str = ""


def compose(
    rendering: Rendering,
    recipient: Recipient,
    *,
    message_id: str,
    date: datetime,
    unsubscribe_url: str = "",
    unsubscribe_mailto: str = "",
    preferences_url: str = "",
) -> bytes:
    """The whole message, CRLF, ASCII, no line beginning with a dot.

    `date` is when the edition was planned, not now. Without `unsubscribe_url` (a notice) the
    List-Unsubscribe headers are left out; without `preferences_url` what leads there leads to the
    page of unsubscribing. Raises PermanentError when a value cannot stand in its
    header, or the body wants a word that is not there.
    """
    headers = [
        ("From", rendering.sender),
        ("To", _to(recipient)),
        ("Subject", unstructured(one_line(rendering.subject) or "…", len("Subject: "))),
        ("Date", format_datetime(date.astimezone(UTC))),
        ("Message-ID", message_id),
    ]
    if rendering.reply_to:
        headers.append(("Reply-To", rendering.reply_to))
    if rendering.list_id:
        headers.append(("List-Id", rendering.list_id))
    if unsubscribe_url:
        headers.append(("List-Unsubscribe", _links(unsubscribe_url, unsubscribe_mailto)))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))  # RFC 8058
    headers += [
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: keeps holiday answers away
        ("Content-Language", rendering.language),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative;\r\n boundary="{rendering.boundary}"'),
    ]
    head = "".join([_header(name, value) for name, value in headers])
    words = {
        "name": one_line(recipient.name),
        "address": recipient.address,
        "unsubscribe_url": unsubscribe_url,
        "preferences_url": preferences_url or unsubscribe_url,
    }
    return head.encode("ascii") + b"\r\n" + splice.fill(rendering.body, words)


def message_id(
    kind: str, number: int, subscriber: int, *, date: datetime, rendering: Rendering
) -> str:
    """`<kind.number.subscriber.date@domain of the sender>`: one for each mail, at every attempt.

    The date keeps apart the mails of two databases that both count from 1.
    """
    domain = _OF_SENDER.search(rendering.sender)
    if domain is None:
        raise PermanentError(f"the sender '{one_line(rendering.sender)}' has no domain")
    stamp = date.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"<{quote(kind, safe='')}.{number}.{subscriber}.{stamp}@{domain[1]}>"


def preview(rendering: Rendering, date: datetime) -> tuple[bytes, str]:
    """The mail as a sample reader gets it: the whole message, and its HTML part alone."""
    mail = compose(
        rendering,
        Recipient(address="reader@example.com", name="Sample Reader"),
        message_id=message_id("preview", 0, 0, date=date, rendering=rendering),
        date=date,
        unsubscribe_url="https://example.com/unsubscribe/preview",
    )
    part = message_from_bytes(mail, policy=policy.default).get_body(("html",))
    return mail, part.get_content() if part else ""


def _to(recipient: Recipient) -> str:
    # An address that is not ASCII has no ASCII form; an empty group (RFC 6854) names nobody.
    if needs_smtputf8(recipient.address):
        return "undisclosed-recipients:;"
    return format_mailbox(recipient.name, recipient.address, len("To: "))


def _links(url: str, mailto: str) -> str:
    links = [url, mailto] if mailto else [url]
    for each in links:
        if not _LINK.fullmatch(each):
            raise PermanentError(f"'{one_line(each, 200)}' cannot stand in List-Unsubscribe")
    return ",\r\n ".join(f"<{each}>" for each in links)


def _header(name: str, value: str) -> str:
    """One header with its line end; every value passes here, whatever made it."""
    if not _VALUE.fullmatch(value):
        raise PermanentError(f"{name}: '{one_line(value, 200)}' cannot stand in a header")
    # Long lines stay long: a List-Unsubscribe that begins on the second line some programs misread.
    header = f"{name}: {value}\r\n"
    if len(header) > _LONGEST_LINE and max(map(len, header.split("\r\n"))) > _LONGEST_LINE:
        raise PermanentError(f"{name}: a line of more than {_LONGEST_LINE} characters")
    return header
