"""A disk that fails a running process: strace lets its writes to the database end in an error."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.flow.site import until
from tests.programs import lacking, needs

WRITES = "pwrite64"
SYNCS = "fdatasync,fsync"


@dataclass(frozen=True)
class Fault:
    calls: str
    error: str
    when: str = "1+"
    """Which of a thread's calls fail: `3`, `3+` (this and all later ones), `3..5`."""

    def __str__(self) -> str:
        return f"{self.calls}-{self.error}-{self.when}"


@contextmanager
def failing(process: "subprocess.Popen[bytes]", fault: Fault, *files: Path) -> Iterator[Path]:
    """While in here the process' calls on these files fail as `fault` says; where it is written
    which did."""
    strace = needs("strace")
    report = files[0].with_name(f"strace-{fault}.txt")
    notes = report.with_suffix(".err")
    command = [strace, "-f", "-p", str(process.pid), "-o", str(report)]
    command += ["-e", f"trace={fault.calls}"]
    command += ["-e", f"inject={fault.calls}:error={fault.error}:when={fault.when}"]
    for each in files:
        command += ["-P", str(each)]
    with notes.open("wb") as said:
        tracer = subprocess.Popen(command, stderr=said)
    try:
        until(
            lambda: tracer.poll() is not None or "attached" in notes.read_text(),
            "strace to attach",
        )
        if tracer.poll() is not None:
            lacking(f"strace may not attach to a process here: {notes.read_text().strip()}")
        yield report
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets go of the process, which goes on
        tracer.wait(10)


def failed(report: Path) -> int:
    """How many calls have failed so far."""
    return report.read_text().count("(INJECTED)") if report.exists() else 0
