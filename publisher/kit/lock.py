"""One holder at a time: a lock on a file that the system lets go of whatever kills the holder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from publisher.errors import ConfigurationError, PublisherError


class LockedError(PublisherError):
    """Another process holds the lock; `pid` is its number where it could be read."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{path} is held by {holder}")
        self.path = path
        self.pid = pid


class Lock:
    """An exclusive lock, held until `release`, the end of its `with` block, or of the object.

    The file stays when the lock is let go: removing it would let two processes hold "it" at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Raises LockedError at once when it is held, also by another Lock of this process, and
        ConfigurationError when the file cannot be made."""
        if not self.try_acquire():
            raise LockedError(self.path, self._holder())

    def try_acquire(self) -> bool:
        """Whether this object holds it now; raises ConfigurationError as `acquire` does."""
        if self._fd is not None:
            return True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Python opens files so that programs started from here do not inherit them.
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(fd, 0)
            os.write(fd, b"%d\n" % os.getpid())
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            os.close(fd)
            raise ConfigurationError(f"{self.path} cannot be locked: {error.strerror}") from error
        self._fd = fd
        return True

    def release(self) -> None:
        """Does nothing when it is not held."""
        if self._fd is not None:
            # Closed, not unlocked: in a forked child this must not open the parent's lock.
            os.close(self._fd)
            self._fd = None

    def _holder(self) -> int | None:
        try:
            return int(self.path.read_text("ascii"))
        except (OSError, ValueError):
            return None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()
