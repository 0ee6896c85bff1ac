"""The process that renders mails for `newsletters.press`: contents come in, mails go out.

It ends when its parent does, even with kill -9 and in the middle of an endless template.
"""

import pickle
import resource
import signal
import sys
import time
from contextlib import suppress
from math import ceil
from pathlib import Path
from types import FrameType
from typing import BinaryIO

for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.SIG_IGN)  # sent to all of us: our parent decides

from jinja2 import Environment  # noqa: E402 — only now: a signal may come while these are read

from publisher.core.headers import one_line  # noqa: E402
from publisher.core.model import Rendering  # noqa: E402
from publisher.errors import OverrunError, PermanentError, PublisherError  # noqa: E402
from publisher.kit.jinja import environment, place  # noqa: E402
from publisher.newsletters.notices import MailContent, render  # noqa: E402

_LATER = 3  # seconds of computing over its time, which a parent that lives does not let it have


def serve(seconds: float, memory: int, folders: list[Path]) -> None:
    templates = environment(folders)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise OverrunError(f"rendering took longer than {seconds:g} s")

    signal.signal(signal.SIGALRM, stop)
    with suppress(EOFError, OSError, pickle.UnpicklingError), open(0, "wb", closefd=False) as out:
        _say("ready", out)
        while True:
            content = pickle.load(sys.stdin.buffer)  # noqa: S301 — from our parent
            _limit(seconds, memory)
            answer = _answer(content, templates, seconds)
            _say(answer, out)
            if isinstance(answer, OverrunError):
                return


def _say(answer: object, out: BinaryIO) -> None:
    pickle.dump(answer, out)
    out.flush()


def _answer(
    content: MailContent, templates: Environment, seconds: float
) -> Rendering | PublisherError:
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return render(content, templates)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            _limit_no_more()
    except PublisherError as error:
        return type(error)(one_line(str(error)))  # an expression that failed may be endless too
    except MemoryError:
        return OverrunError("rendering took more memory than it may have")
    except Exception as error:  # a fault of ours
        return PermanentError(one_line(f"{place(error, '.py')}: {type(error).__name__}: {error}"))


def _limit(seconds: float, memory: int) -> None:
    """Have the system itself stop what does not let Python come to its senses."""
    with suppress(OSError):  # where the system does not tell our size, it limits none either
        size = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _set(resource.RLIMIT_AS, size * resource.getpagesize() + memory)
    _set(resource.RLIMIT_CPU, ceil(time.process_time() + seconds) + _LATER)


def _limit_no_more() -> None:
    _set(resource.RLIMIT_AS, resource.RLIM_INFINITY)


def _set(which: int, soft: int) -> None:
    hard = resource.getrlimit(which)[1]
    known = [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(which, (min(known, default=resource.RLIM_INFINITY), hard))


if __name__ == "__main__":
    serve(float(sys.argv[1]), int(sys.argv[2]), [Path(each) for each in sys.argv[3:]])
