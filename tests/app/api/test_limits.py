"""Bodies at the door: how much of one is held, how far one is read on, and what a client sees of it."""

import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message

from app.api.limits import READ_ON, body_of
from app.errors import TooLarge, UnsupportedMediaType
from app.settings import Settings
from tests.service import Service, running

LIMIT = 1000
JSON = b"application/json"


def body(sent: Iterator[Message], kind: bytes = JSON, method: str = "POST") -> bytes | None:
    """What `body_of` makes of the messages of a request. It never has to wait for one here."""

    async def receive() -> Message:
        return next(sent)

    waiting = body_of({"method": method, "headers": [(b"content-type", kind)] if kind else []}, receive, LIMIT)
    try:
        waiting.send(None)
    except StopIteration as done:
        found: bytes | None = done.value
        return found
    raise AssertionError("it waits")


def pieces(*parts: bytes) -> Iterator[Message]:
    for index, part in enumerate(parts):
        yield {"type": "http.request", "body": part, "more_body": index + 1 < len(parts)}


def test_a_body_comes_in_one_piece() -> None:
    assert body(pieces(b"12", b"", b"3")) == b"123"
    assert body(pieces(b"1" * LIMIT)) == b"1" * LIMIT


@pytest.mark.parametrize("kind", [b"application/json", b"application/json; charset=utf-8", b"Application/JSON ;a=b"])
def test_json_may_be_called_so(kind: bytes) -> None:
    assert body(pieces(b"{}"), kind) == b"{}"


@pytest.mark.parametrize("kind", [b"", b"text/plain", b"application/json5", b"multipart/form-data; x=application/json"])
def test_a_body_that_is_not_json_is_refused_by_its_name(kind: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match=kind.decode() or "Content-Type: application/json$"):
        body(pieces(b"{}"), kind)
    assert body(pieces(b""), kind) == b""  # without a body there is nothing to call


def test_a_body_over_the_limit_is_read_on_and_refused() -> None:
    sent = pieces(b"1" * LIMIT, b"2", b"3" * LIMIT)
    with pytest.raises(TooLarge, match="1,000 bytes"):
        body(sent)
    assert list(sent) == []


def test_a_body_without_end_is_read_only_so_far() -> None:
    count = 0

    def endless() -> Iterator[Message]:
        nonlocal count
        while True:
            count += 1
            yield {"type": "http.request", "body": b"1" * LIMIT, "more_body": True}

    with pytest.raises(TooLarge):
        body(endless())
    assert count == READ_ON + 1


def test_a_client_that_goes_away_is_owed_nothing() -> None:
    gone: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert body(iter(gone)) is None


def test_what_has_no_body_is_not_read() -> None:
    assert body(iter(()), b"", "GET") == b""


def test_a_client_that_sends_all_before_it_listens_is_told(shared: Service) -> None:
    """As urllib and Java do: 20 MB, with the connection closed after the answer."""
    request = urllib.request.Request(f"{shared.url}/v1/runs", b" " * 20_000_000, {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    with refused.value as answer:
        assert answer.code == 413
        assert json.load(answer)["type"] == "urn:lockstep:problem:too-large"


def test_a_body_much_too_large_ends_the_connection(shared: Service) -> None:
    """The service reads on, but not for ever: it answers, and hangs up."""
    head = b"POST /v1/runs/a/windows HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    sent = 0
    with (
        socket.create_connection(("127.0.0.1", shared.port), timeout=60) as client,
        contextlib.suppress(ConnectionError),
    ):
        client.sendall(head + b"content-length: %d\r\n\r\n" % 10**12)
        while sent < 10**9:
            client.sendall(b" " * 2**20)
            sent += 2**20
    assert READ_ON * Settings().max_body_bytes <= sent < 10**9


def test_a_request_cut_in_its_body_leaves_no_traceback(tmp_path: Path) -> None:
    head = b"POST /v1/runs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    with running(tmp_path) as one:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", one.port), timeout=60) as client:
                client.sendall(head)
        assert one.stop() in (-15, 143)
    assert "Traceback" not in one.log()
