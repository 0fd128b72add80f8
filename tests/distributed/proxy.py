"""A way between each rank and the service, on which a test injects what networks and services do on bad days.

Real HTTP on both sides; one port for every rank, so that one of them can be cut off alone.
"""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

SLOW_SECONDS = 0.5
HOP_BY_HOP = {"connection", "content-length", "content-encoding", "transfer-encoding", "date", "server"}


class Proxy:
    """Ways to a service: `urls[rank]` is what the rank uses.

    `faults[rank]` says what happens to its requests: `slow` (the answer comes half a second later), `errors` (500),
    `garbage` (an answer that makes no sense) or `cut` (no answer at all, and none of the packets arrive).
    """

    def __init__(self, service: str, ranks: int) -> None:
        self.faults: dict[int, str] = {}
        self.harmed = 0  # requests that a fault, or a service that is away, has kept from an answer
        self.healed = threading.Event()
        self.client = httpx.Client(base_url=service, timeout=60, limits=httpx.Limits(max_connections=None))
        self.servers = [
            ThreadingHTTPServer(("127.0.0.1", 0), type("Way", (_Way,), {"proxy": self, "rank": rank}))
            for rank in range(ranks)
        ]
        self.urls = [f"http://127.0.0.1:{server.server_address[1]}" for server in self.servers]

    def inject(self, fault: str, *ranks: int) -> None:
        """Begin a fault on the ways of these ranks."""
        self.healed.clear()
        self.faults.update(dict.fromkeys(ranks, fault))

    def heal(self) -> None:
        """End all faults; requests that were cut off are dropped without an answer."""
        self.faults.clear()
        self.healed.set()


@contextlib.contextmanager
def proxied(service: str, ranks: int) -> Iterator[Proxy]:
    """Ways to a service, for the length of a block."""
    proxy = Proxy(service, ranks)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in proxy.servers]
    for thread in threads:
        thread.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        for server, thread in zip(proxy.servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
        proxy.client.close()


class _Way(BaseHTTPRequestHandler):
    proxy: Proxy
    rank: int
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.proxy.faults.get(self.rank)
        if fault == "cut":
            self.proxy.harmed += 1
            self.proxy.healed.wait()
            self.close_connection = True
        elif fault == "errors":
            self.proxy.harmed += 1
            self.reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
        elif fault == "garbage":
            self.proxy.harmed += 1
            self.reply(200, {"content-type": "application/json"}, b'{"uid": 7, "start": null, "values": {"lr": ["\\u00')
        else:
            if fault == "slow":
                self.proxy.harmed += 1
                self.proxy.healed.wait(SLOW_SECONDS)
            self.forward(body)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def forward(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        try:
            answer = self.proxy.client.request(self.command, self.path, content=body, headers=headers)
        except httpx.TransportError:
            self.proxy.harmed += 1
            self.close_connection = True  # nobody is there: the connection breaks
        else:
            kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
            self.reply(answer.status_code, kept, answer.content)

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: a cut connection is what the test wants."""
