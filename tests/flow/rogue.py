"""What servers do that they should not, and a clock that lets minutes of it pass in no time."""

import asyncio
import selectors
import ssl
import subprocess
from pathlib import Path

from tests.flow.smtp import Act
from tests.programs import needs

HASTE = 200
"""Seconds that pass in one."""


class HastyLoop(asyncio.SelectorEventLoop):
    """An event loop on which time flies: limits of minutes can be tested as they are."""

    def __init__(self) -> None:
        super().__init__(_HastySelector())

    def time(self) -> float:
        return super().time() * HASTE


class _HastySelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout and timeout / HASTE)


def drip(said: bytes, every: float = 10) -> Act:
    """An octet every so many of the client's seconds; without end if it has no line end."""

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        rest = said
        while rest:
            writer.write(rest[:1])
            await writer.drain()
            rest = rest[1:] or (b"" if said.endswith(b"\n") else b"a")
            await asyncio.sleep(every / HASTE)
        return said

    return act


def late(said: bytes, seconds: float) -> Act:
    """A reply after so many of the client's seconds."""

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        await asyncio.sleep(seconds / HASTE)
        writer.write(said)
        return said

    return act


def then(said: bytes, more: bytes = b"", *, pause: float = 0.05) -> Act:
    """A reply, and unasked for something more (nothing: the end of the connection)."""

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(said)
        await writer.drain()
        await asyncio.sleep(pause)
        if more:
            writer.write(more)
        else:
            writer.write_eof()
        return said

    return act


def starttls(context: ssl.SSLContext, injected: bytes = b"", *, pause: float = 0) -> Act:
    """Go over to TLS, with what somebody in between slips in behind the 220."""

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        said = b"220 2.0.0 Go ahead\r\n"
        if pause:
            writer.write(said)
            await asyncio.sleep(pause)
            writer.write(injected)
        else:
            writer.write(said + injected)
        await writer.start_tls(context)
        return said

    return act


def certificate(folder: Path, names: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signed itself, for `names` like `IP:127.0.0.1`: the file to trust it by,
    and the server's side of it."""
    folder.mkdir()
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            needs("openssl"), "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=relay.example",
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(cert),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return cert, context
