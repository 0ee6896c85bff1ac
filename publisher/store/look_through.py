"""Looks through a database's file for texts, in a process of its own.

SQLite's locks are those of POSIX: a process that opens and closes the file by itself loses all that
it has on it. The next process to end then takes itself for the last one, and removes the log.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_CHUNK = 1 << 20
_NOT_THERE = 3  # an exit status that nothing else gives


def may_hold(path: str, texts: Sequence[str]) -> bool:
    """Whether one of the texts stands in the file, in small or capital letters, or it cannot be
    looked through."""
    try:
        done = subprocess.run(  # noqa: S603 — this very file
            [sys.executable, "-I", "-S", "-X", "utf8", __file__, path],
            input="\n".join(texts).encode(),
            check=False,
        )
    except OSError:
        return True
    return done.returncode != _NOT_THERE


def _holds(path: Path, texts: Sequence[bytes]) -> bool:
    wanted = [text.lower() for text in texts if text]
    overlap = max(map(len, wanted), default=0)
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            looked_at = before + chunk.lower()
            if any(each in looked_at for each in wanted):
                return True
            before = looked_at[-overlap:]
    return False


if __name__ == "__main__":
    sys.exit(0 if _holds(Path(sys.argv[1]), sys.stdin.buffer.read().split(b"\n")) else _NOT_THERE)
