"""The transport: what is sent once more, and what is no usable answer."""

import logging
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lockstep import Client, errors
from tests.clients.recorder import Recorder, answer


def test_a_dropped_connection_is_tried_once_more_with_the_same_key() -> None:
    recorder = Recorder(ConnectionError("dropped"), answer({"number": 2}))
    with recorder.client() as client:
        assert client.revise("r", {"kind": "hold"})["number"] == 2
    first, second = recorder.calls
    assert first == second


def test_only_once() -> None:
    recorder = Recorder(ConnectionError("dropped"))
    with recorder.client() as client, pytest.raises(errors.Unavailable, match="http://here:8000 cannot be reached"):
        client.run("r")
    assert len(recorder.calls) == 2


def test_a_time_out_is_not_repeated() -> None:
    recorder = Recorder(TimeoutError())
    with recorder.client(timeout=3.0) as client, pytest.raises(errors.Unavailable, match="within 3 s"):
        client.run("r")
    assert len(recorder.calls) == 1


@pytest.mark.parametrize(
    "reply",
    [
        (500, {}, b"oops"),
        (502, {"content-type": "text/html"}, b"<html>"),
        (429, {}, b"{}"),
        (200, {}, b"<html>ok</html>"),
        (200, {}, b"[1]"),
        answer({"type": errors.PREFIX + "unavailable", "detail": "later"}, 503),
    ],
)
def test_what_is_no_answer_is_unavailable(reply: tuple[int, dict[str, str], bytes]) -> None:
    with Recorder(reply).client() as client, pytest.raises(errors.Unavailable):
        client.run("r")


def test_unavailable_says_when_to_come_back() -> None:
    with Recorder((503, {"retry-after": "7"}, b"")).client() as client, pytest.raises(errors.Unavailable) as caught:
        client.run("r")
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_token_is_named(status: int) -> None:
    with Recorder((status, {}, b"")).client() as client, pytest.raises(errors.Refused, match="token"):
        client.run("r")


def test_a_value_that_json_does_not_know_is_refused_before_it_is_sent() -> None:
    recorder = Recorder(answer({}))
    with recorder.client() as client, pytest.raises(errors.Invalid, match="JSON"):
        client.create_run("r", {"tracks": {"lr": {"kind": "constant", "value": float("nan")}}})
    assert recorder.calls == []


def test_requests_are_not_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Recorder(answer({})).client() as client:
        client.run("r")
    assert not caplog.records


class Anything(BaseHTTPRequestHandler):
    """Answers every request with an empty object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a service that has a certificate for which nobody else vouches, and the file of that."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", "/CN=lockstep", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, *named, "-keyout", str(path), "-out", str(path)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with HTTPServer(("127.0.0.1", 0), Anything) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}", path
        server.shutdown()
        thread.join()


def test_an_authority_of_ones_own_is_trusted_by_its_file(
    encrypted: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authority = encrypted
    with Client(url) as client, pytest.raises(errors.Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        client.run("r")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with Client(url) as client:
        assert client.run("r") == {}
