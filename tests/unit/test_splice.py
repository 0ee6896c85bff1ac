"""A reader's words in an encoded body: what comes out is exactly what was meant."""

import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.splice import encode, fill, mark, strip
from publisher.errors import PermanentError

# Characters that quoted-printable, SMTP or a mailbox treats specially, among all the others.
TEXT = st.text(
    st.one_of(st.sampled_from(" \t\r\n.=F\0é"), st.characters(exclude_categories=["Cs"]))
).map(strip) | st.text(st.sampled_from("From. =\t\nx"), min_size=60, max_size=400)


def expected(text: str) -> str:
    return re.sub(r"\r\n?|\n", "\r\n", text)


def decode(body: bytes) -> str:
    return quopri.decodestring(body).decode()


@given(st.lists(TEXT, min_size=1, max_size=5), TEXT)
def test_filled_body_decodes_to_the_text_with_the_words(passages: list[str], value: str) -> None:
    body = fill(encode(mark("name").join(passages)), {"name": value})
    assert decode(body) == "".join(map(expected, _interleave(passages, value)))


@given(st.lists(TEXT, min_size=1, max_size=5), TEXT)
def test_filled_body_is_safe_on_the_wire(passages: list[str], value: str) -> None:
    body = fill(encode(mark("name").join(passages)), {"name": value})
    assert re.fullmatch(rb"[\t\r\n -~]*", body)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", body)
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@given(TEXT)
def test_same_text_same_bytes(text: str) -> None:
    assert encode(text) == encode(text)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("", b""),
        ("plain", b"plain"),
        ("a=b", b"a=3Db"),
        ("Grüße", b"Gr=C3=BC=C3=9Fe"),
        (".hidden\n..", b"=2Ehidden\r\n=2E."),
        ("From me\nFrom", b"=46rom me\r\nFrom"),
        ("end \nend\t", b"end=20\r\nend=09"),
        ("a\rb\r\nc\nd", b"a\r\nb\r\nc\r\nd"),
        ("nul\0", b"nul=00"),
        ("half \ud83d", b"half ?"),
        ("x" * 75, b"x" * 75),
        ("x" * 76, b"x" * 75 + b"=\r\nx"),
        ("x" * 75 + ".", b"x" * 75 + b"=\r\n=2E"),
        ("x" * 74 + "é", b"x" * 74 + b"=\r\n=C3=A9"),
    ],
)
def test_encoding(text: str, body: bytes) -> None:
    assert encode(text) == body


def test_words_in_html_are_escaped_and_in_text_are_not() -> None:
    values = {"name": """<b> & "O'Neill" """}
    assert decode(fill(encode(f'<a title="{mark("name")}">', escape=True), values)) == (
        '<a title="&lt;b&gt; &amp; &quot;O&#x27;Neill&quot; ">'
    )
    assert decode(fill(encode(mark("name")), values)) == values["name"]


def test_a_word_that_nobody_fills_in_is_an_error() -> None:
    with pytest.raises(PermanentError, match=r"reader\.nickname"):
        fill(encode(f"Dear {mark('nickname')}"), {"name": "Ada"})


def test_strangers_cannot_write_marks() -> None:
    assert strip(f"see {mark('unsubscribe_url')}") == "see unsubscribe_url"


def _interleave(passages: list[str], value: str) -> list[str]:
    out = [passages[0]]
    for passage in passages[1:]:
        out += [value, passage]
    return out
