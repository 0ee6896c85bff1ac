"""`publisher demo` as a visitor runs it: in a folder of their own, to the end or until Ctrl-C."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from tests.flow.site import Site, until

ENDS = "Everything sent was received, and the daemon ended as asked."


@contextmanager
def demo(folder: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The demo as a process; what it says goes to `said` in its folder."""
    site = Site(folder / "unused")  # for the way to run a command
    folder.mkdir(exist_ok=True)
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            site.command("demo", *options),
            cwd=folder,
            env=site.environment | {"PYTHONUNBUFFERED": "1"},
            stdout=said,
            stderr=said,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def daemon_pid(folder: Path) -> int:
    line = (folder / ".demo" / "daemon.log").read_text().splitlines()[0]
    return int(json.loads(line)["pid"])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def address(folder: Path, name: str) -> str:
    found = re.search(rf"{name} +(http\S+)", said(folder))
    assert found, said(folder)
    return found[1]


def test_once_shows_that_everything_works_and_ends(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as process:
        assert process.wait(60) == 0, said(tmp_path)
    lines = said(tmp_path).splitlines()
    assert len(lines) <= 13
    assert re.fullmatch(
        r"The Harbour Courier: 12 articles taken in and public, \d+ feeds written", lines[0]
    )
    assert lines[1] == ("3 digests sent, 3 received by the mail catcher; asking again sent none")
    for name in ("Front page", "A category", "its feeds", "Caught mails"):
        address(tmp_path, name)
    assert re.search(r"^Breaking: “.+” reached feed and inbox after [\d.]+ s\.$", lines[-2])
    assert lines[-1] == ENDS
    assert not is_alive(daemon_pid(tmp_path))
    assert "Traceback" not in (tmp_path / ".demo" / "daemon.log").read_text()


def test_two_clones_can_show_it_at_once(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    with demo(folders[0], "--once") as first, demo(folders[1], "--once") as second:
        assert first.wait(60) == 0, said(folders[0])
        assert second.wait(60) == 0, said(folders[1])
    for name in ("Front page", "Caught mails"):
        assert len({address(each, name) for each in folders}) == 2


def test_a_visitor_looks_around_and_leaves_by_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        until(lambda: "Ctrl-C ends it." in said(tmp_path), "the demo to be ready")
        assert process.poll() is None, said(tmp_path)
        for name in ("Front page", "A category", "its feeds"):
            with urlopen(address(tmp_path, name), timeout=30) as reply:
                assert b"Harbour" in reply.read()
        inbox = address(tmp_path, "Caught mails")
        subprocess.run(f"cd {tmp_path} && {tried(tmp_path)}", shell=True, check=True)
        until(lambda: "My own news" in subjects(inbox), "a mail about the visitor's own article")
        pid = daemon_pid(tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert not is_alive(pid)
    assert "Traceback" not in said(tmp_path)


def tried(folder: Path) -> str:
    """The command that the demo offers to try."""
    return next(line for line in said(folder).splitlines() if "printf" in line)


def subjects(inbox: str) -> str:
    with urlopen(f"{inbox}mails.json", timeout=30) as reply:
        return " ".join(each["subject"] for each in json.load(reply)["mails"])


def test_leaving_before_it_is_ready_leaves_no_process(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        until((tmp_path / ".demo" / "daemon.log").exists, "the daemon to be launched")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, said(tmp_path)
    # By its lock: it may have been ended before it had said a word.
    with demo(tmp_path, "--once") as process:
        assert process.wait(60) == 0, said(tmp_path)


def test_once_that_was_stopped_has_not_succeeded(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as process:
        until((tmp_path / ".demo" / "daemon.log").exists, "the daemon to be launched")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
    assert "stopped before everything was checked" in said(tmp_path)


def test_a_folder_of_another_is_left_alone(tmp_path: Path) -> None:
    site = Site(tmp_path)
    theirs = tmp_path / ".demo" / "thesis.txt"
    theirs.parent.mkdir()
    theirs.write_text("Ten years of work.")
    answer = site.run("demo", "--once", status=1)
    assert answer == (f"publisher: {tmp_path}/.demo was not made by the demo; move it away first\n")
    assert theirs.read_text() == "Ten years of work."
    assert [each.name for each in theirs.parent.iterdir()] == ["thesis.txt"]


def test_a_second_one_in_the_same_folder_does_not_disturb_the_first(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as process:
        until((tmp_path / ".demo" / "daemon.log").exists, "the daemon to be launched")
        answer = Site(tmp_path).run("demo", "--once", status=1)
        assert answer.startswith("publisher: a demo is still running here")
        assert process.wait(60) == 0, said(tmp_path)
