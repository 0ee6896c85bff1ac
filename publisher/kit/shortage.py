"""When the machine runs short: which errors that is, and the event loop's told once."""

import asyncio
import errno
import resource
import sys
import time
from typing import Any

import structlog

_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN)
_QUIET = 10.0  # seconds after which a shortage is another one

log = structlog.get_logger()


def is_shortage(error: OSError) -> bool:
    """Whether no handle or memory is left: it says nothing about what was asked for."""
    return error.errno in _SHORT


def file_limit() -> int:
    """How many files and connections this process may have open, now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class LoopFaults:
    """What an event loop calls for errors that nobody else catches (`set_exception_handler`)."""

    def __init__(self) -> None:
        self._told_at = -_QUIET

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # Any: asyncio's own.
        error = context.get("exception")
        if not isinstance(error, OSError) or not is_shortage(error):
            loop.default_exception_handler(context)
            return
        # asyncio tries to take the waiting connection again every second.
        if time.monotonic() > self._told_at + _QUIET:
            log.error("visitors' connections cannot be taken; they wait", reason=error.strerror)
        self._told_at = time.monotonic()
