"""A Postfix of the test's own: on loopback, delivering to Maildirs, relaying nowhere."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.flow.site import free_port, until
from tests.programs import needs

_NOBODY = 65534

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
myhostname = relay.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
relay_domains =
local_recipient_maps =
alias_maps =
alias_database =
default_transport = error:5.4.4 this relay sends nothing on
disable_dns_lookups = yes
smtpd_peername_lookup = no
notify_classes =
virtual_mailbox_domains = {domains}
virtual_mailbox_maps = hash:{folder}/config/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
virtual_minimum_uid = 1
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access hash:{folder}/config/access
smtpd_end_of_data_restrictions = check_recipient_access hash:{folder}/config/access_at_the_dot
smtpd_hard_error_limit = {most_errors}
smtpd_error_sleep_time = 0
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/config/tls.pem
smtpd_tls_key_file = {folder}/config/tls.pem
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    folder: Path
    port: int
    tls_port: int
    """Where TLS is spoken from the first octet."""

    @property
    def certificate(self) -> Path:
        return self.folder / "config" / "tls.pem"

    def refuses(
        self, at_rcpt: Mapping[str, str], at_the_dot: Mapping[str, str] | None = None
    ) -> None:
        """From now on it answers so to these addresses, and to all of these domains."""
        self._map("access", at_rcpt)
        self._map("access_at_the_dot", at_the_dot or {})

    def mails(self) -> list[tuple[str, Message]]:
        """All that it has delivered, with the address whose Maildir each lies in."""
        self.settle()
        return [
            (path.parts[-3], message_from_bytes(path.read_bytes()))
            for path in (self.folder / "mail").glob("*/*/*")
        ]

    def settle(self) -> None:
        """Wait until it has delivered what it has taken."""
        queues = [self.folder / "queue" / name for name in ("incoming", "active", "deferred")]
        until(
            lambda: not any(each.is_file() for queue in queues for each in queue.rglob("*")),
            "Postfix to deliver",
        )

    def log(self) -> str:
        return (self.folder / "log" / "mail.log").read_text()

    def _map(self, name: str, entries: Mapping[str, str]) -> None:
        path = self.folder / "config" / name
        path.write_text("".join(f"{key} {value}\n" for key, value in entries.items()))
        self.run("postmap", f"hash:{path}")

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [needs(program), "-c", str(self.folder / "config"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def postfix(mailboxes: Collection[str], *, most_errors: int = 1000) -> Iterator[Postfix]:
    """`most_errors`: after so many a session is ended by it, as Postfix's own default 20 does."""
    needs("postfix")
    needs("openssl")
    if os.geteuid() != 0:
        pytest.skip("only root can run a Postfix")
    # Its processes are no root and must get there, which pytest's own folders do not let them.
    with tempfile.TemporaryDirectory(prefix="postfix") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postfix(folder, free_port(), free_port())
        _prepare(server, mailboxes, most_errors)
        server.run("postfix", "start")
        try:
            until(lambda: "daemon started" in server.log(), "Postfix to start")
            yield server
        finally:
            server.run("postfix", "stop")


def _prepare(server: Postfix, mailboxes: Collection[str], most_errors: int) -> None:
    folder = server.folder
    for each in ("config", "queue", "data", "mail", "log"):
        (folder / each).mkdir()
    shutil.chown(folder / "data", "postfix")
    os.chown(folder / "mail", _NOBODY, _NOBODY)
    (folder / "config" / "main.cf").write_text(
        _MAIN.format(
            folder=folder,
            domains=" ".join(sorted({each.rpartition("@")[2] for each in mailboxes})),
            nobody=_NOBODY,
            most_errors=most_errors,
        )
    )
    (folder / "config" / "master.cf").write_text(
        _MASTER.format(port=server.port, tls_port=server.tls_port)
    )
    _make_certificate(server.certificate)
    server._map("mailboxes", {each: f"{each}/" for each in mailboxes})
    server.refuses({})


def _make_certificate(path: Path) -> None:
    """Self-signed, with its key in the same file."""
    key, certificate = path.with_suffix(".key"), path.with_suffix(".crt")
    command = f"""{needs("openssl")} req -x509 -nodes -newkey ec -pkeyopt
        ec_paramgen_curve:prime256v1 -days 2 -subj /CN=relay.example
        -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"""
    subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    path.write_text(key.read_text() + certificate.read_text())
