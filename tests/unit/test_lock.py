"""One holder at a time, and none after its death."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.errors import ConfigurationError, PublisherError
from publisher.kit.lock import Lock, LockedError

HOLD = """
import sys
from pathlib import Path
from publisher.kit.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "publisher.lock"


@pytest.fixture
def holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_named(file: Path, holder: subprocess.Popen[str]) -> None:
    lock = Lock(file)
    assert lock.try_acquire() is False
    with pytest.raises(LockedError, match=f"is held by process {holder.pid}$") as caught:
        lock.acquire()
    assert isinstance(caught.value, PublisherError)
    assert (caught.value.path, caught.value.pid) == (file, holder.pid)


def test_a_killed_holder_lets_go(file: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=10)
    with Lock(file):
        assert file.read_text() == f"{os.getpid()}\n"


def test_only_one_lock_of_a_process_holds_it(file: Path) -> None:
    first, second = Lock(file), Lock(file)
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    with pytest.raises(LockedError) as caught, second:
        pass
    assert caught.value.pid == os.getpid()
    first.release()
    first.release()
    assert second.try_acquire()


def test_it_is_let_go_with_the_block_and_with_the_object(file: Path) -> None:
    with pytest.raises(KeyError), Lock(file):
        raise KeyError
    held = Lock(file)
    held.acquire()
    del held
    assert Lock(file).try_acquire()


def test_a_program_started_from_here_does_not_keep_it(file: Path) -> None:
    lock = Lock(file)
    lock.acquire()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, close_fds=False) as child:
        lock.release()
        # Popen returns a moment before the kernel closes what the new program does not inherit.
        deadline = time.monotonic() + 5
        while not Lock(file).try_acquire():
            assert time.monotonic() < deadline
        assert child.poll() is None
        child.kill()


def test_a_holder_that_wrote_no_number_is_another_process(file: Path) -> None:
    with Lock(file):
        file.write_text("")
        with pytest.raises(LockedError, match=r"is held by another process$"):
            Lock(file).acquire()


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"publisher\.lock cannot be opened: "):
        Lock(tmp_path / "var" / "publisher.lock").acquire()
