"""What runs on this machine, as the system tells."""

import os
import re
from pathlib import Path


def presses(parent: int | None = None) -> list[int]:
    """The processes that render mails for `parent`, by default this process."""
    return [
        int(each.name)
        for each in Path("/proc").iterdir()
        if each.name.isdigit()
        and b"publisher.newsletters.press_child" in _read(each / "cmdline")
        and _parent(int(each.name)) == (parent or os.getpid())
    ]


def runs(pid: int) -> bool:
    """Whether it is there and not a zombie."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def rendering(parent: int | None = None) -> int | None:
    """The process that renders a mail for `parent` at this moment."""
    for pid in presses(parent):
        limited = re.search(rb"Max cpu time +\d", _read(Path(f"/proc/{pid}/limits")))
        if limited and _stat(pid)[:1] == ["R"]:  # else it is only beginning
            return pid
    return None


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[str]:
    """Its state, parent and so on."""
    return _read(Path(f"/proc/{pid}/stat")).decode().rpartition(")")[2].split()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
