"""A proxy in front of the daemon that writes down who asks for what, and may alter the answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Exchange:
    """A request and the answer to it, as the client gets it."""

    method: str
    path: str
    asked: Message
    status: int
    headers: Message
    body: bytes


Alter = Callable[[Exchange], None]
"""Makes another answer of an exchange's."""


@dataclass
class Proxy:
    """Runs in threads of its own; what it wrote down may be read at any time."""

    target: int = 0
    """The port of the server behind it, on this machine."""
    alter: Alter | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def about(self, path: str) -> list[Exchange]:
        return [each for each in self.exchanges if each.path == path]

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                exchange = proxy._forward(self.command, self.path, self.headers)
                self.send_response_only(exchange.status)
                for name, value in exchange.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(exchange.body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Nothing on the error stream: `exchanges` is the log."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True  # those of connections that a client keeps open
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=[0.05], name="proxy")
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()

    def _forward(self, method: str, path: str, asked: Message) -> Exchange:
        connection = HTTPConnection("127.0.0.1", self.target, timeout=10)
        try:
            # Altered answers have lengths of their own: what HEAD tells of them needs the body.
            asking = "GET" if self.alter else method
            connection.putrequest(asking, path, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.items():
                if name.lower() not in _OF_THE_CONNECTION:
                    connection.putheader(name, value)
            connection.endheaders()
            reply = connection.getresponse()
            headers, body = reply.headers, reply.read()
        finally:
            connection.close()
        told = headers["Content-Length"]
        for name in _OF_THE_CONNECTION:
            del headers[name]
        exchange = Exchange(method, path, asked, reply.status, headers, body)
        if self.alter:
            self.alter(exchange)
        if method == "HEAD" and not self.alter:
            headers["Content-Length"] = told
        elif exchange.status not in (204, 304):
            headers["Content-Length"] = str(len(exchange.body))
        if method == "HEAD" or exchange.status in (204, 304):
            exchange.body = b""
        self.exchanges.append(exchange)
        return exchange
