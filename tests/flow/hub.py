"""A WebSub hub on loopback: it fetches what it is told of at once, or misbehaves as it is told."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs
from urllib.request import urlopen

from tests.flow.site import free_port


@dataclass(frozen=True)
class Told:
    """What the hub was told of, and what it found there."""

    topic: str
    status: int
    body: bytes

    @property
    def path(self) -> str:
        """Like `harbour/rss.xml`."""
        return "/".join(self.topic.rsplit("/", 2)[1:])


Act = Callable[["Hub", BaseHTTPRequestHandler], None]


class Hub:
    """Takes what it is told with 204, unless it was given another act."""

    def __init__(
        self, *, fetches: bool = True, looks: Callable[[Told], None] = lambda _: None
    ) -> None:
        """`looks` is called before the answer with what was fetched; it may assert."""
        self.port = free_port()
        self.fetches = fetches
        self.looks = looks
        self.told: list[Told] = []
        """What it took."""
        self.forms: list[dict[str, list[str]]] = []
        """What it was asked, in whatever way it answered."""
        self.faults: list[BaseException] = []
        self.underway = 0
        self.always: Act | None = None
        self.next: deque[Act] = deque()
        """Acts for the next requests, one each."""
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def counts(self) -> Counter[str]:
        """How often it took each feed, like `harbour/rss.xml`."""
        return Counter(each.path for each in self.told)

    def versions(self) -> Counter[tuple[str, bytes]]:
        """How often it took the same bytes of the same feed."""
        return Counter((each.path, each.body) for each in self.told)

    @contextmanager
    def running(self) -> Iterator["Hub"]:
        """Listening, always at the same port; at the end nothing may have been found wrong."""
        self.over.clear()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hub.underway += 1
                try:
                    with suppress(ConnectionError):
                        hub._answer(self)
                except BaseException as fault:
                    hub.faults.append(fault)
                    raise
                finally:
                    hub.underway -= 1

            def do_HEAD(self) -> None:
                self.send_response(405)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # told as a fault

        server = Server(("127.0.0.1", self.port), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            server.shutdown()
            server.server_close()
            thread.join(10)
        assert not self.faults

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        length = int(request.headers["Content-Length"])
        form = parse_qs(request.rfile.read(length).decode("ascii"), strict_parsing=True)
        self.forms.append(form)
        act = self.next.popleft() if self.next else self.always
        if act is not None:
            act(self, request)
            return
        [topic] = form["hub.topic"]
        told = self._fetched(topic)
        self.looks(told)
        # Before the answer: who has it knows that we took it.
        self.told.append(told)
        answer(204)(self, request)

    def _fetched(self, topic: str) -> Told:
        if not self.fetches:
            return Told(topic=topic, status=0, body=b"")
        try:
            with urlopen(topic, timeout=30) as reply:
                return Told(topic=topic, status=reply.status, body=reply.read())
        except HTTPError as error:
            with error:
                return Told(topic=topic, status=error.code, body=error.read())


def answer(status: int, body: str = "", **headers: str) -> Act:
    """That answer; `headers` with _ in place of -."""

    def act(_: Hub, request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())

    return act


def hang(hub: Hub, _: BaseHTTPRequestHandler) -> None:
    """Say nothing while the hub runs."""
    hub.over.wait(60)


def drip(hub: Hub, request: BaseHTTPRequestHandler) -> None:
    """An answer that comes octet by octet and does not end."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Patience: ")
    while not hub.over.wait(0.05):
        request.wfile.write(b"a")
        request.wfile.flush()


def flood(hub: Hub, request: BaseHTTPRequestHandler) -> None:
    """An answer without end, as fast as it is taken."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    begun = time.monotonic()
    while time.monotonic() < begun + 30 and not hub.over.is_set():
        request.wfile.write(b"a" * 65536)


def babble(_: Hub, request: BaseHTTPRequestHandler) -> None:
    """What is not HTTP."""
    request.wfile.write(b"220 hub.example ESMTP\r\n")


def hang_up(_: Hub, request: BaseHTTPRequestHandler) -> None:
    """Nothing, and the end of the connection."""
    request.close_connection = True
