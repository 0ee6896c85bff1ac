"""Small disks of a test's own, in memory, that can be filled up or be made read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs import lacking, needs


@dataclass(frozen=True)
class Disk:
    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left on it while in here."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue
        try:
            yield
        finally:
            ballast.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nobody may have a file on it open for writing."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.folder], check=True)


@contextmanager
def disk(folder: Path, megabytes: int = 24) -> Iterator[Disk]:
    """A disk of its own at `folder`; skips where we may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    mount = needs("mount")
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        lacking(f"a disk may not be mounted here: {made.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
