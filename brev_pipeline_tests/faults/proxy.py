"""A proxy before an S3 server that spoils a share of the requests, each in one of the ways in which networks fail."""

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

KINDS = ("500", "503", "reset", "lost", "cut", "slow")
"""Ways to spoil a request. 500 and 503: the server answers so, and has done nothing. reset: the connection breaks
before the server hears of it. lost: the server has done it, and the connection breaks before the answer. cut: the
answer breaks off in its body. slow: the body drips. Besides, "stall": no answer until the client gives up."""

_CODES = {"500": "InternalError", "503": "SlowDown"}
_BREAKS = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@dataclass
class FaultyProxy:
    """A context. While ``share`` is 0 it only relays.

    Args:
        endpoint: of the server behind it.
        share: of the requests that are spoiled.
        kinds: of faults; drawn one after the other, so that each comes.
        method: only requests of this method are spoiled; None: of any.
        path: only requests whose path has this in it.
        most: so many at the most.
        stall_seconds: after which a stalled connection is closed.
    """

    endpoint: str
    share: float = 0.0
    kinds: Sequence[str] = KINDS
    method: str | None = None
    path: str = ""
    most: int | None = None
    stall_seconds: float = 30.0
    seed: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    """Kind → requests that were spoiled so."""
    requests: int = 0

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._random = random.Random(self.seed)
        self._ended = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()

    def storage(self) -> dict[str, Any]:
        """The settings by which the server is reached through this proxy."""
        return {"endpoint_url": self.address}

    def fault(self, method: str, path: str) -> str | None:
        """What is to become of the next request."""
        with self._lock:
            self.requests += 1
            meant = self.method in (None, method) and self.path in path and self.injected.total() != self.most
            if not meant or self._random.random() >= self.share:
                return None
            kind = self.kinds[self.injected.total() % len(self.kinds)]
            self.injected[kind] += 1
            return kind

    def stall(self) -> None:
        """Let a client wait."""
        self._ended.wait(self.stall_seconds)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    host = urlsplit(proxy.endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        behind: http.client.HTTPConnection | None = None

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(self.command, self.path)
            if fault in _CODES:
                text = f"<?xml version='1.0'?><Error><Code>{_CODES[fault]}</Code><Message>injected</Message></Error>"
                self._answer(_Answer(int(fault), [("Content-Type", "application/xml")], text.encode()))
            elif fault == "stall":
                proxy.stall()
                self._break()
            elif fault == "reset":
                self._break()
            else:
                answer = self._asked(body)
                if fault == "lost":
                    self._break()
                else:
                    self._answer(answer, fault)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay  # noqa: N815

        def _asked(self, body: bytes) -> _Answer:
            """What the server behind says. The host's name is part of the signature, so it stays."""
            if self.behind is None:
                self.behind = http.client.HTTPConnection(host)
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")
            }
            self.behind.request(self.command, self.path, body or None, headers)
            answer = self.behind.getresponse()
            return _Answer(answer.status, answer.getheaders(), answer.read())

        def _answer(self, answer: _Answer, fault: str | None = None) -> None:
            self.send_response_only(answer.status)
            length = str(len(answer.body))
            for name, value in answer.headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            half = len(answer.body) // 2
            if self.command == "HEAD":
                return
            if fault == "cut":
                self.wfile.write(answer.body[:half])
                self._break()
            elif fault == "slow":
                self.wfile.flush()
                for part in (answer.body[:half], answer.body[half:]):
                    time.sleep(1)
                    self.wfile.write(part)
            else:
                self.wfile.write(answer.body)

        def _break(self) -> None:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BREAKS)
            self.close_connection = True
            # The handler's files still hold the socket; a reset needs it closed.
            self.rfile.close()
            self.connection.close()

        def finish(self) -> None:
            if self.behind is not None:
                self.behind.close()
            if not self.close_connection or not self.rfile.closed:
                super().finish()

        def log_message(self, *_: Any) -> None: ...

    return Handler
