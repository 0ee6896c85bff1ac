"""Replies of a mail server, put together from the pieces in which they come."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.delivery.wire import GarbledError, Limits, Reply, ReplyReader, Wire, WireError


def read(said: bytes, size: int = 10**9) -> tuple[Reply | None, int]:
    """What is made of it when it comes in pieces of this size, and what is left over."""
    reader = ReplyReader()
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    for number, piece in enumerate(pieces):
        if (reply := reader.feed(piece)) is not None:
            return reply, reader.rest + sum(map(len, pieces[number + 1 :]))
    return None, reader.rest


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        (b"250 2.0.0 Ok\r\n", 250, "2.0.0 Ok"),
        (b"250 Ok\n", 250, "Ok"),
        (b"250\r\n", 250, ""),
        (b"250 \r\n", 250, ""),
        (b"250-one\r\n250-two\r\n250 three\r\n", 250, "one two three"),
        (b"250-\r\n250\r\n", 250, " "),
        (b"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", 550, "5.1.1 no such user"),
        (b"550-5.1.1 no\r\n550 5.1.10 user\r\n", 550, "5.1.1 no 5.1.10 user"),
        ("450 später\r\n".encode(), 450, "später"),
        (b"450 sp\xe4ter\r\n", 450, "sp\ufffdter"),
        (b"450 a\rb\x00c\r\n", 450, "a\rb\x00c"),
        (b"250 " + b"a" * 4000 + b"\r\n", 250, "a" * 4000),
    ],
)
def test_a_reply_is_understood(said: bytes, code: int, text: str) -> None:
    assert read(said) == (Reply(code, text), 0)
    for size in (1, 2, 7):
        assert read(said, size) == (Reply(code, text), 0)
    assert read(said + b"35") == (Reply(code, text), 2)
    assert read(said[:-1])[0] is None


@pytest.mark.parametrize(
    "said",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 Ok\r\n",
        b"250Ok\r\n",
        b"250_Ok\r\n",
        b" 250 Ok\r\n",
        b"150 Ok\r\n",
        b"650 Ok\r\n",
        b"260 Ok\r\n",
        b"000 Ok\r\n",
        b"999 Ok\r\n",
        "٢٥٠ Ok\r\n".encode(),
        b"\x16\x03\x01\x00\xee\n",
        b"250-yes\r\n550 no\r\n",
        b"250-yes\r\nno\r\n",
        b"250 " + b"a" * 4092,
        b"250 " + b"a" * 65_536 + b"\r\n",
        b"a" * 4096,
        b"250-a\r\n" * 10_000,
    ],
    ids=lambda said: repr(said[:20]),
)
def test_what_is_no_reply_is_garbled(said: bytes) -> None:
    for size in (1000, 10**9):
        with pytest.raises(GarbledError):
            read(said, size)


_LINES = st.lists(
    st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r")),
    min_size=1,
    max_size=5,
)


@given(st.integers(200, 559).filter(lambda code: code // 10 % 10 < 6), _LINES, st.integers(1, 30))
def test_the_pieces_make_no_difference(code: int, lines: list[bytes], size: int) -> None:
    said = b"".join(b"%d-%s\r\n" % (code, line) for line in lines[:-1])
    said += b"%d %s\r\n" % (code, lines[-1])
    reply, rest = read(said)
    assert reply is not None
    assert (reply.code, rest) == (code, 0)
    assert read(said, size) == (reply, 0)


@given(st.binary(max_size=200), st.integers(1, 30))
def test_whatever_comes_is_a_reply_or_garbled_or_not_all_yet(said: bytes, size: int) -> None:
    try:
        reply, _ = read(said, size)
    except GarbledError:
        return
    assert reply is None or 200 <= reply.code < 600


class Buffer(asyncio.WriteTransport):
    """A transport whose other end takes nothing more when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.waiting = 0
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


@pytest.mark.parametrize("waiting", [0, 5], ids=["all has left", "the dot has not left"])
@pytest.mark.parametrize("what", ["garbage", "end", "time"])
async def test_a_message_whose_dot_never_left_has_not_arrived(what: str, waiting: int) -> None:
    transport = Buffer()
    wire = Wire(transport, Limits(final_dot=0.05))
    sending = asyncio.create_task(wire.message(b"Subject: a\r\n\r\nb\r\n"))
    await asyncio.sleep(0)
    assert transport.written == b"Subject: a\r\n\r\nb\r\n.\r\n"
    transport.waiting = waiting
    if what == "garbage":
        wire.data_received(b"hm?\r\n")
    elif what == "end":
        wire.eof_received()
    with pytest.raises(WireError) as error:
        await sending
    assert error.value.asked == (waiting == 0)
    assert not wire.is_open


async def test_a_yes_before_the_dot_has_left_is_none() -> None:
    transport = Buffer()
    wire = Wire(transport, Limits())
    sending = asyncio.create_task(wire.message(b"Subject: a\r\n\r\nb\r\n"))
    await asyncio.sleep(0)
    transport.waiting = 5
    wire.data_received(b"250 2.0.0 Ok\r\n")
    with pytest.raises(WireError, match="heard us out"):
        await sending


@pytest.mark.parametrize("line", ["RSET\r\nQUIT", "RSET\n", "RCPT TO:<a\0b>", "\x7f"])
async def test_a_command_is_one_line(line: str) -> None:
    transport = Buffer()
    with pytest.raises(ValueError, match="one line"):
        await Wire(transport, Limits()).command(line)
    assert transport.written == b""
