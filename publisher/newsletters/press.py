"""Renders mails in a process of its own, so that no template can stop or fill up this one.

A template is an operator's program: it may loop for ever or want more memory than there is, and
no thread can be ended from outside. The process can; the next rendering starts another one.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import socketpair

import publisher
from publisher.core.model import Rendering
from publisher.errors import OverrunError, PermanentError, PublisherError, TransientError
from publisher.kit.jinja import environment
from publisher.kit.shortage import is_shortage
from publisher.newsletters.notices import MailContent

SECONDS = 10.0
"""Longer than any rendering that ends: one of a dozen articles takes milliseconds."""
MEMORY = 256 * 2**20
"""Bytes that a rendering may take, above what the process has when it begins."""

_START = 60.0  # seconds for the process to begin, on a machine that is busy
_GRACE = 2.0  # seconds for the process to say by itself where it was stopped
_GIVEN_UP = "a rendering was given up, as the program ends"


class Press:
    """Renders one mail after the other; may be used from any thread.

    The process starts with the first rendering, ends with `close` and whenever ours ends, and
    inherits nothing of ours that is open.
    """

    def __init__(
        self, folders: Sequence[Path], *, seconds: float = SECONDS, memory: int = MEMORY
    ) -> None:
        """`folders` hold the templates, the operator's before ours."""
        self.templates = environment(folders)
        self._folders = folders
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._stale = False
        self._closing = False

    def render(self, content: MailContent) -> Rendering:
        """The mail of this content.

        Raises what the `render` of its kind does, OverrunError when it was cut off or the
        process ended under it, PermanentError when that cannot be started, and TransientError
        when `close` was called meanwhile.
        """
        with self._lock:
            child = self._ready_child()
            try:
                answer = child.ask(content, self._seconds + _GRACE)
            except (EOFError, OSError, pickle.UnpicklingError) as error:
                self._end()
                if self._closing:
                    raise TransientError(_GIVEN_UP) from None
                raise self._loss(child, error, content.template) from None
            if isinstance(answer, OverrunError):
                self._end()  # it is full of what the template has left behind
            if isinstance(answer, PublisherError):
                raise answer
            assert isinstance(answer, Rendering)
            return answer

    def renew(self) -> None:
        """Templates have changed: render the next mail with nothing that was kept of them."""
        self._stale = True

    def close(self) -> None:
        """End the process, if there is one. A rendering that is going on is given up."""
        self._closing = True
        if child := self._child:
            child.kill()
        with self._lock:
            self._end()
            self._closing = False

    def _ready_child(self) -> "_Child":
        if self._stale or (self._child and self._child.gone):
            self._end()
            self._stale = False
        if self._child is None:
            try:
                self._child = _Child(self._folders, self._seconds, self._memory)
            except OSError as error:
                kind = TransientError if is_shortage(error) else PermanentError
                raise kind(
                    f"the process that renders mails cannot be started: {error.strerror}"
                ) from error
        if self._closing:  # looked at only now: `close` kills what it finds
            self._end()
            raise TransientError(_GIVEN_UP)
        return self._child

    def _loss(self, child: "_Child", error: Exception, template: str) -> PublisherError:
        """What to say of a process that had to be killed, or ended."""
        if not child.begun:
            return PermanentError(f"the process that renders mails does not begin ({child.status})")
        if isinstance(error, TimeoutError):
            how = f"rendering took longer than {self._seconds:g} s"
        else:
            how = f"the process that renders mails ended ({child.status})"
        return OverrunError(f"template {template}: {how}")

    def _end(self) -> None:
        if child := self._child:
            self._child = None
            child.end()


class _Child:
    """The process, seen from here: contents and mails go through a socket, pickled."""

    def __init__(self, folders: Sequence[Path], seconds: float, memory: int) -> None:
        own = {name: value for name, value in os.environ.items() if "PUBLISHER" not in name}
        here = str(Path(publisher.__file__).parents[1])
        own["PYTHONPATH"] = os.pathsep.join(filter(None, (here, own.get("PYTHONPATH"))))
        arguments = [str(seconds), str(memory), *map(str, folders)]
        self._socket, theirs = socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603 — our own program
                # -P: modules lie where ours do, not in the folder an operator stands in.
                [sys.executable, "-P", "-m", "publisher.newsletters.press_child", *arguments],
                env=own,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._stream = self._socket.makefile("rwb")
        self.begun = False

    @property
    def gone(self) -> bool:
        return self._process.poll() is not None

    @property
    def status(self) -> str:
        """How it ended."""
        status = self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"status {status}"

    def ask(self, content: MailContent, seconds: float) -> object:
        """What it answers: a Rendering or a PublisherError.

        Raises TimeoutError when that takes longer, and OSError, EOFError or UnpicklingError when
        it is gone.
        """
        if not self.begun:
            self._socket.settimeout(_START)
            self._hear()
            self.begun = True
        self._socket.settimeout(seconds)
        pickle.dump(content, self._stream)
        self._stream.flush()
        return self._hear()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self.kill()
        self._process.wait()
        with suppress(OSError):  # what it did not take any more
            self._stream.close()
        self._socket.close()

    def _hear(self) -> object:
        return pickle.load(self._stream)  # noqa: S301 — from our own program
