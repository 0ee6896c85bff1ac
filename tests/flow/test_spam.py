"""What SpamAssassin and rspamd, asked offline, hold against the mails of the program: nothing."""

import grp
import os
import pwd
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import mails
from tests.flow.site import free_port, until
from tests.programs import needs

pytestmark = pytest.mark.slow

ELSEWHERE = """
arc asn bimi dkim dkim_signing dmarc fuzzy_check greylist hfilter history_redis mx_check neural p0f
phishing ratelimit rbl replies reputation rspamd_update spf surbl url_redirector whitelist
"""
"""Modules of rspamd that ask others, or its own past."""

CONFIGURATION = """
.include "$CONFDIR/common.conf"
options {{
    pidfile = "{folder}/rspamd.pid";
    .include "$CONFDIR/options.inc"
    filters = "chartable,regexp";
    dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.05s; retransmits = 1; }}
    control_socket = "{folder}/control.sock mode=0600";
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
worker "controller" {{ enabled = false; bind_socket = "127.0.0.1:{unused}"; }}
"""
SCORE = re.compile(r"^Score: (-?[\d.]+) /", re.MULTILINE)
SYMBOL = re.compile(r"^Symbol: (\w+) \((-?[\d.]+)\)", re.MULTILINE)
POINTS = re.compile(r" +\((-?[\d.]+) points")
RULE = re.compile(r"^ *(-?\d+\.\d) ([A-Z][A-Z0-9_]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The mails as files, of a minute ago."""
    folder = tmp_path_factory.mktemp("sent")
    date = datetime.now(UTC) - timedelta(minutes=1)
    found = {}
    for name, mail in mails.everything(date):
        found[name] = folder / f"{name}.eml"
        found[name].write_bytes(mail)
    return found


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one that asks nobody."""
    program = needs("rspamd")
    folder = tmp_path_factory.mktemp("rspamd")
    port = free_port()
    (folder / "local.d").mkdir()
    for name in ELSEWHERE.split():
        (folder / "local.d" / f"{name}.conf").write_text("enabled = false;\n")
    config = folder / "rspamd.conf"
    config.write_text(CONFIGURATION.format(folder=folder, port=port, unused=free_port()))
    us = pwd.getpwuid(os.getuid())  # or root's would become another's, who cannot read here
    group = grp.getgrgid(us.pw_gid).gr_name
    places = [f"--var={name}={folder}" for name in ("LOCAL_CONFDIR", "DBDIR", "LOGDIR", "RUNDIR")]
    process = subprocess.Popen(
        [program, "-f", "-i", "-u", us.pw_name, "-g", group, "-c", str(config), *places],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: ask(port, config) is not None, "rspamd to answer", 180)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def ask(port: int, mail: Path) -> str | None:
    """What rspamd says of a mail that came from its sender's own server."""
    told = {"ip": "93.184.216.34", "hostname": "mail.news.example", "helo": "mail.news.example"}
    envelope = {"from": "news@news.example", "rcpt": "ada@reader.example"}
    options = [f"--{name}={value}" for name, value in (told | envelope).items()]
    command = [needs("rspamc"), "-h", f"127.0.0.1:{port}", *options, "symbols", str(mail)]
    said = subprocess.run(command, capture_output=True, text=True)
    return said.stdout if SCORE.search(said.stdout) else None


def test_spamassassin_gives_no_points(sent: Mapping[str, Path]) -> None:
    command = [needs("spamassassin"), "-L", "-t", *map(str, sent.values())]
    said = subprocess.run(command, capture_output=True, check=True).stdout.decode(
        "utf-8", "replace"
    )
    _, *told = said.split("Content analysis details:")
    assert len(told) == len(sent)
    scores = {}
    for name, one in zip(sent, told, strict=True):
        points = POINTS.match(one)
        assert points, one
        rules = {rule: float(score) for score, rule in RULE.findall(one)}
        scores[name] = (float(points[1]), {rule: n for rule, n in rules.items() if n > 0})
    report("SpamAssassin", scores)


def test_rspamd_gives_no_points(sent: Mapping[str, Path], rspamd: int) -> None:
    scores = {}
    for name, mail in sent.items():
        said = ask(rspamd, mail)
        assert said, name
        symbols = {symbol: float(score) for symbol, score in SYMBOL.findall(said)}
        score = SCORE.search(said)
        assert score
        scores[name] = (float(score[1]), {each: n for each, n in symbols.items() if n > 0})
    report("rspamd", scores)


def report(program: str, scores: Mapping[str, tuple[float, Mapping[str, float]]]) -> None:
    for name, (score, rules) in scores.items():
        print(f"{program:13} {name:28} {score:6.2f}", *(f"{k} {v}" for k, v in rules.items()))
    assert not {name: rules for name, (score, rules) in scores.items() if score > 0 or rules}
