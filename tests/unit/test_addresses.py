"""Which addresses are taken, when two are one, and that a name stays a name."""

import re
from email import message_from_string, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.addresses import (
    check,
    format_mailbox,
    format_phrase,
    needs_smtputf8,
    normalise,
    parse_mailbox,
)
from publisher.core.headers import one_line
from publisher.errors import PermanentError

ADDRESS = "ada@reader.example"


@pytest.mark.parametrize(
    ("given_", "checked"),
    [
        (ADDRESS, ADDRESS),
        (" ada@reader.example\t", ADDRESS),
        ("Ada.Byron+news@Reader.EXAMPLE", "Ada.Byron+news@reader.example"),
        ("o'neill@reader.example", "o'neill@reader.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("анна@почта.example", "анна@xn--80a1acny.example"),
        ("jose\u0301@reader.example", "jos\u00e9@reader.example"),
        ('"ada byron"@reader.example', '"ada byron"@reader.example'),
        ('"a,b@c"@reader.example', '"a,b@c"@reader.example'),
        ('"ada"@reader.example', ADDRESS),
        ("x" * 64 + "@reader.example", "x" * 64 + "@reader.example"),
    ],
)
def test_taken_addresses_and_their_envelope_form(given_: str, checked: str) -> None:
    assert check(given_) == checked
    assert check(checked) == checked


@pytest.mark.parametrize(
    "refused",
    [
        "",
        " ",
        "ada",
        "@reader.example",
        "ada@",
        "ada@reader",
        "ada@@reader.example",
        "a@b.example, evil@x.example",
        "a@b.example,evil@x.example",
        "a@b.example evil@x.example",
        "a@b.example;evil@x.example",
        "Ada <ada@reader.example>",
        "<ada@reader.example>",
        "ada@reader.example\r\nRCPT TO:<evil@x.example>",
        "ada\r\n@reader.example",
        "ada@reader.example\n",
        "ada\0@reader.example",
        '"ada\r\n"@reader.example',
        '"ada\0"@reader.example',
        '"ada"evil@reader.example',
        "ada@reader.example\u2028",
        "ada\ud800@reader.example",
        "ada@[127.0.0.1]",
        "ada@-reader.example",
        "ada..byron@reader.example",
        ".ada@reader.example",
        "ada(comment)@reader.example",
        "x" * 65 + "@reader.example",
        "ж" * 33 + "@reader.example",
        "ada@" + "x" * 64 + ".example",
        "ada@" + "reader." * 40 + "example",
    ],
)
def test_refused_addresses_and_one_sentence(refused: str) -> None:
    with pytest.raises(PermanentError) as raised:
        check(refused)
    sentence = str(raised.value)
    assert sentence
    assert sentence.isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Reader.example", ADDRESS),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("JOSE\u0301@reader.example", "jos\u00e9@reader.example"),
        ('"Ada"@reader.example', ADDRESS),
    ],
)
def test_ways_of_writing_one_mailbox_have_one_key(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_different_mailboxes_have_different_keys() -> None:
    assert normalise("ada+news@reader.example") != normalise(ADDRESS)


@given(st.text() | st.emails())
def test_whatever_is_taken_is_one_plain_address(text: str) -> None:
    try:
        checked = check(text)
    except PermanentError:
        return
    assert check(checked) == checked
    assert not re.search(r"[\x00-\x1f\x7f]", checked)
    assert normalise(checked) == normalise(text)


def test_only_addresses_beyond_ascii_need_smtputf8() -> None:
    assert needs_smtputf8(check("анна@почта.example"))
    assert not needs_smtputf8(check("anna@почта.example"))


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("Example News <news@news.example>", ("Example News", "news@news.example")),
        ("news@news.example", ("", "news@news.example")),
        ("<news@news.example>", ("", "news@news.example")),
        ('"News, \\"daily\\"" <news@news.example>', ('News, "daily"', "news@news.example")),
        ("Новости <news@новости.example>", ("Новости", "news@xn--b1amnebsh.example")),
    ],
)
def test_mailboxes(text: str, mailbox: tuple[str, str]) -> None:
    assert parse_mailbox(text) == mailbox


@pytest.mark.parametrize(
    "text", ["", "Example News", "News <a@b.example> <c@d.example>", "News <a@b.example", "A <>"]
)
def test_what_is_no_mailbox(text: str) -> None:
    with pytest.raises(PermanentError):
        parse_mailbox(text)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("", f"<{ADDRESS}>"),
        ("Ada Byron", f"Ada Byron <{ADDRESS}>"),
        ("Byron, Ada", f'"Byron, Ada" <{ADDRESS}>'),
        ('Ada "the" \\ Byron', f'"Ada \\"the\\" \\\\ Byron" <{ADDRESS}>'),
        ("Ádá", f"=?utf-8?b?w4Fkw6E=?= <{ADDRESS}>"),
        ("a\r\nBcc: x@y.example", f'"a Bcc: x@y.example" <{ADDRESS}>'),
    ],
)
def test_mailbox_as_a_header(name: str, header: str) -> None:
    assert format_mailbox(name, ADDRESS) == header


@given(st.text())
def test_any_name_makes_one_mailbox_and_reads_back(name: str) -> None:
    value = format_mailbox(name, ADDRESS)
    assert value.isascii()
    assert all(len(line) <= 76 for line in f"Reply-To: {value}".split("\r\n"))
    message = message_from_string(f"Reply-To: {value}\r\n\r\n", policy=policy.default)
    assert message.keys() == ["Reply-To"]
    (mailbox,) = message["Reply-To"].addresses
    assert mailbox.addr_spec == ADDRESS
    # Between two encoded words of a name Python 3.11's parser puts a blank, against RFC 2047 6.2.
    assert "".join(mailbox.display_name.split()) == "".join(one_line(name, 100).split())


@given(st.text(st.characters(codec="ascii"), max_size=50))
def test_a_mailbox_of_plain_words_is_read_as_it_was_written(name: str) -> None:
    value = format_mailbox(name, ADDRESS)
    if "=?" not in value:
        assert parse_mailbox(value.replace("\r\n", "")) == (one_line(name, 100), ADDRESS)


def test_only_a_checked_address_stands_in_a_header() -> None:
    for address in ("a@b.example>, <c@d.example", "a@b.example\r\nBcc: c@d.example", "é@b.example"):
        with pytest.raises(PermanentError):
            format_mailbox("Ada", address)


def test_a_phrase_before_a_list_id() -> None:
    assert format_phrase("The Daily", "daily.news.example") == "The Daily <daily.news.example>"
