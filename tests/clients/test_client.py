"""`Client`: what it sends, what it raises, and what it does about dropped connections."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from lockstep import Client, errors
from lockstep.testing import FakeService
from lockstep.transport import mock_transport

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


class Recorder:
    """Answers every request with what it is told to, and keeps what came in."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes] | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str, dict[str, str], Any]] = []

    def __call__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.calls.append((method, target, dict(headers), json.loads(body) if body else None))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **arguments: Any) -> Client:
        return Client("http://here:8000/", transport=mock_transport(self), **arguments)


def answer(document: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps(document).encode()


class Model:
    """Like a pydantic model."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return PLAN


def test_every_change_carries_a_key_of_its_own_and_what_was_given() -> None:
    recorder = Recorder(answer({"ok": 1, "new in a later release": 2}))
    with recorder.client(token="secret") as client:
        assert client.create_run("r", Model(), lead_seconds=2.0, if_exists="keep")["ok"] == 1
        client.revise("r", {"kind": "scale", "factor": 0.5}, if_match=3, reason="why")
        client.rewind("a name/with a slash", 100)
        client.finish("r")
        client.archive("r")
        client.revise("r", {"kind": "hold"}, from_step=9, key="mine")
    seen = [(method, target, body) for method, target, _, body in recorder.calls]
    assert seen == [
        ("POST", "/v1/runs", {"run": "r", "plan": PLAN, "lead_seconds": 2.0, "if_exists": "keep"}),
        ("POST", "/v1/runs/r/revisions", {"action": {"kind": "scale", "factor": 0.5}, "reason": "why"}),
        ("POST", "/v1/runs/a%20name%2Fwith%20a%20slash/rewind", {"to_step": 100}),
        ("POST", "/v1/runs/r/finish", None),
        ("POST", "/v1/runs/r/archive", None),
        ("POST", "/v1/runs/r/revisions", {"action": {"kind": "hold"}, "from_step": 9}),
    ]
    keys = [headers["idempotency-key"] for _, _, headers, _ in recorder.calls]
    assert len(set(keys)) == 6
    assert keys[-1] == "mine"
    assert recorder.calls[1][2]["if-match"] == '"3"'
    assert all(headers["authorization"] == "Bearer secret" for _, _, headers, _ in recorder.calls)


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


@pytest.mark.parametrize("kind", list(errors.PROBLEMS.values()))
def test_a_problem_is_an_exception_by_its_name_with_its_members(kind: type[errors.Refused]) -> None:
    problem = {
        "type": errors.PREFIX + kind.name,
        "status": 409,
        "detail": "what happened",
        "earliest_step": 7,
        "errors": [{"pointer": "/action", "detail": "no such kind"}],
    }
    with Recorder(answer(problem, 409)).client() as client, pytest.raises(kind) as caught:
        client.run("r")
    assert type(caught.value) is kind
    assert caught.value.earliest_step == 7
    assert caught.value.status == 409
    assert caught.value.errors == [{"pointer": "/action", "detail": "no such kind"}]
    assert "/action: no such kind" in str(caught.value)
    assert kind.advice in str(caught.value)
    with pytest.raises(AttributeError, match="earliest_step"):
        _ = caught.value.horizon


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


def test_lists_are_read_to_their_end() -> None:
    recorder = Recorder(answer({"items": [1, 2], "next_cursor": "c"}), answer({"items": [3], "next_cursor": None}))
    with recorder.client() as client:
        items: list[Any] = client.revisions("r", plan=True)
    assert items == [1, 2, 3]
    assert [target for _, target, _, _ in recorder.calls] == [
        "/v1/runs/r/revisions?plan=true",
        "/v1/runs/r/revisions?plan=true&cursor=c",
    ]


def test_values_as_json_and_as_bytes_are_the_same() -> None:
    service = FakeService({"lr": lambda step: 1 / (step + 3), "momentum": 0.9})
    service.create("r")
    with Client(transport=service.transport) as client:
        document = client.values("r", 5, 50)
        arrays, headers = client.raw_values("r", 5, 50)
    assert {track: list(values) for track, values in arrays.items()} == document["values"]
    assert headers["lockstep-newest"] == "1"


def test_bytes_that_are_no_values_are_unavailable() -> None:
    with Recorder((200, {"lockstep-tracks": "lr"}, b"1234567")).client() as client, pytest.raises(errors.Unavailable):
        client.raw_values("r", 0, 1)


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_URL", "http://there:1")
    with Client() as client:
        assert client.url == "http://there:1"
    monkeypatch.delenv("LOCKSTEP_URL")
    with pytest.raises(errors.Misused, match="LOCKSTEP_URL"):
        Client()
    with pytest.raises(errors.Misused, match="http://"):
        Client("localhost:8000")


def test_requests_are_not_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Recorder(answer({})).client() as client:
        client.run("r")
    assert not caplog.records


def test_errors_can_be_sent_to_another_process() -> None:
    import pickle

    problem = {"type": errors.PREFIX + "below-horizon", "detail": "too late", "earliest_step": 7}
    error = errors.from_problem(409, problem)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.earliest_step) == (errors.BelowHorizon, str(error), 7)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.LockstepError)]
    assert len(kinds) > 10
    assert [kind.__name__ for kind in kinds if f" {kind.__name__} " not in f" {drawn} ".replace("\n", " ")] == []
