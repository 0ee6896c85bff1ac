"""A mail server that takes our mail, as written in one address like `smtp://user:password@host:25`."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Tls = Literal["implicit", "starttls", "none"]
"""`starttls` is a demand: a server that does not offer it gets no mail."""

_PORTS = {"smtp": 25, "smtps": 465}
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    host: str
    port: int
    username: str = field(default="", repr=False)
    """Empty where the server wants no log-in; often a mail address, so not in the repr either."""
    password: str = field(default="", repr=False)
    tls: Tls = "starttls"

    @property
    def name(self) -> str:
        """What logs and the ledger call it: no user, no password."""
        scheme = "smtps" if self.tls == "implicit" else "smtp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def parse_relay(url: str) -> Relay:
    """The relay that `url` names.

    Ports are 25 for smtp:// and 465 for smtps:// unless given; user and password are
    percent-decoded. STARTTLS is demanded unless the host is this machine or the address ends in
    `?starttls=never`.

    Raises ValueError saying what is wrong; the sentence repeats no part of `url`, any of which may
    be a password.
    """
    parts = _split(url)
    if parts.scheme not in _PORTS:
        raise ValueError("must start with smtp:// or smtps://")
    if not parts.netloc or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(
            "must be like smtp://user:password@host:port, with / ? # and @ in user and password "
            "written as %2F %3F %23 and %40"
        )
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) and not _is_address(host):
        raise ValueError("has no usable host name")
    username, password = _login(parts)
    return Relay(
        host=host,
        port=_port(parts),
        username=username,
        password=password,
        tls=_tls(parts, host),
    )


def _split(url: str) -> SplitResult:
    if _UNFIT.search(url):
        raise ValueError("must not hold spaces or control characters")
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("is not an address with a usable host name") from None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("has a port that is not a number from 1 to 65535")
    return port or _PORTS[parts.scheme]


def _login(parts: SplitResult) -> tuple[str, str]:
    if "@" not in parts.netloc:
        return "", ""
    if parts.netloc.count("@") > 1:
        raise ValueError("holds more than one @: write one in user or password as %40")
    try:
        username = unquote(parts.username or "", errors="strict")
        password = unquote(parts.password or "", errors="strict")
    except ValueError:
        raise ValueError("has a user or password whose %-signs do not spell UTF-8") from None
    if not username or not password:
        raise ValueError("must name both user and password before the @, or neither")
    if _UNFIT.search(username.replace(" ", "") + password.replace(" ", "")):
        raise ValueError("has a control character in user or password")
    return username, password


def _tls(parts: SplitResult, host: str) -> Tls:
    options = parse_qsl(parts.query, keep_blank_values=True)
    if options not in ([], [("starttls", "never")]) or (parts.query and not options):
        raise ValueError("may end in ?starttls=never and in no other option")
    if parts.scheme == "smtps":
        if options:
            raise ValueError("cannot be smtps:// with ?starttls=never: smtps is TLS from the start")
        return "implicit"
    return "none" if options or _is_loopback(host) else "starttls"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if _is_address(host):
        return ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")
