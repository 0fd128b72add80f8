"""`Client`: what it sends, what it raises, and what it does about dropped connections."""

from typing import Any

import pytest

from lockstep import Client, errors
from lockstep.testing import FakeService
from tests.clients.recorder import Recorder, answer

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


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


def test_who_makes_changes_is_said_where_there_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_AUTHOR", "Ada Lövelace")
    recorder = Recorder(answer({}))
    with recorder.client() as client:
        client.finish("r")
    with recorder.client(author="grace") as client:
        client.finish("r")
    assert [headers["lockstep-author"] for _, _, headers, _ in recorder.calls] == ["Ada Lövelace", "grace"]


def test_a_token_from_a_file_may_end_its_line_and_one_that_is_none_is_not_shown() -> None:
    recorder = Recorder(answer({}))
    with recorder.client(token=" secret\n") as client:
        client.run("r")
    assert recorder.calls[0][2]["authorization"] == "Bearer secret"
    for nonsense in ("sec\nret", "sec ret", "secrét", "sec\x00ret"):
        with pytest.raises(errors.Misused) as refused:
            recorder.client(token=nonsense)
        assert "sec" not in str(refused.value)
