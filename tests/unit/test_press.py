"""The press: no template can stop, fill up or bring down the program that renders its mails."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from publisher.errors import (
    ConfigurationError,
    OverrunError,
    PermanentError,
    PublisherError,
    TransientError,
)
from publisher.kit.resources import folder
from publisher.newsletters.press import Press
from publisher.newsletters.render import render
from tests.flow.site import ROOT, until
from tests.processes import presses, rendering, runs
from tests.unit.test_render import DAILY, EDITION

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
STUCK = (  # 2 ** 99 comparisons in one step of the interpreter, which hears no signal meanwhile
    "{% set n = namespace(a=[1], b=[1]) %}"
    "{% for _ in range(99) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}"
    "{{ n.a == n.b }}"
)
MINE = replace(EDITION, newsletter=replace(DAILY, template="mine"))

Write = Callable[[str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the template `mine`, of which the newsletter of `MINE` is made."""

    def write(html: str) -> None:
        (tmp_path / "mine.html").write_text(html)
        (tmp_path / "mine.txt").write_text("Text.\n")

    return write


@pytest.fixture
def press(tmp_path: Path) -> Iterator[Press]:
    press = Press([tmp_path, folder("templates/email")], seconds=1.0, memory=64 * 2**20)
    yield press
    press.close()
    assert presses() == []


def test_a_mail_is_the_same_as_if_it_were_rendered_here(press: Press) -> None:
    assert press.render(EDITION) == render(EDITION, press.templates)
    [process] = presses()
    assert press.render(EDITION) == render(EDITION, press.templates)
    assert presses() == [process]


@pytest.mark.parametrize(
    ("html", "kind", "sentence"),
    [
        ("one\n{{ nobody }}", ConfigurationError, r"mine\.html, line 2: 'nobody' is undefined"),
        ("one\ntwo\n{% if %}", ConfigurationError, r"mine\.html, line 3: "),
        ("{% include 'gone.html' %}", ConfigurationError, r"gone\.html is missing"),
        ("\n{{ 1 / 0 }}", PermanentError, r"mine\.html, line 2: division by zero"),
        ("{{ lead['x' * 9999999] }}", ConfigurationError, r"mine\.html, line 1: .{300,500}$"),
        ("{% include 'mine.html' %}", PermanentError, r"mine\.html, line 1: .*recursion"),
        (f"\n\n{LOOP}", OverrunError, r"mine\.html, line 3: rendering took longer than 1 s"),
        (STUCK, OverrunError, r"template mine: rendering took longer than 1 s"),
        ("\n{{ 'x' * 300000000 }}", OverrunError, r"mine\.html, line 2: it takes too much memory"),
        (
            "\n{% for a in range(99999) %}{{ 'x' * 3000 }}{% endfor %}",
            OverrunError,
            r"mine\.html, line 2: it writes over 2,000,000 characters",
        ),
        (
            "\n{{ (lead.title * 199999)|upper|list|batch(2)|map('join')|list|length }}",
            OverrunError,
            r"mine\.html, line 2: it takes too much memory",
        ),
        (
            "{% set all = namespace(text='x') %}\n"
            "{% for a in range(99) %}{% set all.text = all.text ~ all.text %}{% endfor %}",
            OverrunError,
            r"mine\.html, line 2: it takes too much memory",
        ),
        ("{{ ('<b>' * 600000)|safe }}", OverrunError, r"template mine: the process .* ended \(SIG"),
    ],
    ids=[
        "name", "syntax", "missing", "fault", "endless sentence", "recursion", "endless loop",
        "stuck", "300 MB", "300 MB in a loop", "filters", "doubling", "nested tags",
    ],
)  # fmt: skip
def test_what_fails_says_so_and_the_next_mail_is_rendered(
    press: Press, write: Write, html: str, kind: type[PublisherError], sentence: str
) -> None:
    write(html)
    begun = time.monotonic()
    with pytest.raises(kind, match=sentence) as caught:
        press.render(MINE)
    assert type(caught.value) is kind
    assert time.monotonic() < begun + 8
    assert press.render(EDITION).subject
    write("{{ lead.title }}")
    press.renew()
    assert b"Harbour" in press.render(MINE).body


def test_a_fault_of_our_own_names_its_line(press: Press) -> None:
    broken = replace(EDITION, articles=(None,))  # type: ignore[arg-type]  # a fault of our own
    with pytest.raises(PermanentError, match=r"\.py, line \d+: AttributeError: .*NoneType"):
        press.render(broken)
    assert press.render(EDITION).subject


def test_a_template_that_now_stands_before_another_is_taken(press: Press, tmp_path: Path) -> None:
    before = press.render(EDITION)
    (tmp_path / "digest.txt").write_text("Mine: {{ lead.title }}\n")
    press.renew()
    assert b"Mine: Harbour" in press.render(EDITION).body
    (tmp_path / "digest.txt").unlink()
    press.renew()
    assert press.render(EDITION) == before


def during(press: Press, act: Callable[[int], None]) -> BaseException:
    """What an endless rendering raises when something is done to it."""
    raised: list[BaseException] = []

    def render_endlessly() -> None:
        try:
            press.render(MINE)
        except PublisherError as error:
            raised.append(error)

    press.render(EDITION)
    thread = threading.Thread(target=render_endlessly)
    thread.start()
    act(until(rendering, "the rendering to begin"))
    thread.join(10)
    [error] = raised
    return error


def test_a_process_that_is_killed_is_replaced(press: Press, write: Write) -> None:
    write(LOOP)
    error = during(press, lambda process: os.kill(process, signal.SIGKILL))
    assert isinstance(error, OverrunError)
    assert str(error) == "template mine: the process that renders mails ended (SIGKILL)"
    assert press.render(EDITION).subject


def test_a_process_that_is_killed_while_idle_costs_no_mail(press: Press) -> None:
    press.render(EDITION)
    [process] = presses()
    os.kill(process, signal.SIGKILL)
    until(lambda: not runs(process), "its end")
    assert press.render(EDITION).subject


def test_a_process_that_was_stopped_is_not_waited_for(press: Press) -> None:
    press.render(EDITION)
    [process] = presses()
    os.kill(process, signal.SIGSTOP)
    huge = replace(EDITION, articles=(replace(EDITION.articles[0], body_html="x" * 9_999_999),))
    with pytest.raises(OverrunError, match="took longer than 1 s"):
        press.render(huge)
    assert not runs(process)
    assert press.render(EDITION).subject


def test_what_goes_on_is_given_up_when_the_program_ends(tmp_path: Path, write: Write) -> None:
    press = Press([tmp_path, folder("templates/email")])
    write(LOOP)
    begun = time.monotonic()
    error = during(press, lambda process: press.close())
    assert isinstance(error, TransientError)
    assert time.monotonic() < begun + 5
    assert presses() == []


def test_signals_to_all_of_us_leave_it_to_its_parent(press: Press) -> None:
    press.render(EDITION)
    [process] = presses()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process, number)
        assert press.render(EDITION).subject
    assert presses() == [process]
    assert os.getpgid(process) != os.getpgid(0)


def test_it_inherits_nothing_that_is_open(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_SECRET", "k1:secret")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        press.render(EDITION)
        [process] = presses()
        assert {each.name for each in Path(f"/proc/{process}/fd").iterdir()} == {"0", "1", "2"}
    assert b"PUBLISHER" not in Path(f"/proc/{process}/environ").read_bytes()


@pytest.mark.parametrize("html", [LOOP, STUCK], ids=["loop", "stuck"])
def test_it_ends_when_its_parent_is_killed(tmp_path: Path, write: Write, html: str) -> None:
    write(html)
    script = (
        "import sys; from pathlib import Path; from publisher.newsletters.press import Press; "
        "from tests.unit.test_press import MINE; "
        "Press([Path(sys.argv[1])], seconds=0.5).render(MINE)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    process = until(lambda: rendering(parent.pid), "the rendering to begin")
    parent.kill()
    parent.wait()
    until(lambda: not runs(process), "its end", 30)


def test_it_says_so_when_it_cannot_begin(
    press: Press, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "gone"))
        with pytest.raises(PermanentError, match="cannot be started: No such file"):
            press.render(EDITION)
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(PermanentError, match=r"does not begin \(status 1\)"):
            press.render(EDITION)
    assert press.render(EDITION).subject
