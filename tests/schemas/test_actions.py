"""Actions as they are written: each of its own fields, and the ones that exclude each other."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.actions import Action

ACTION: TypeAdapter[Any] = TypeAdapter(Action)
PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "scale", "factor": 0.5},
        {"kind": "scale", "to": 0.0, "tracks": ["lr", "head/lr"]},
        {"kind": "set", "value": 0.0},
        {"kind": "ramp", "to": 0.1, "steps": "3%", "shape": "cosine"},
        {"kind": "cooldown", "steps": 0},
        {"kind": "hold"},
        {"kind": "resume", "tracks": ["lr"]},
        {"kind": "stretch", "total_steps": 1},
        {"kind": "rollback", "revision": 1},
        {"kind": "replace", "plan": PLAN, "at": 0},
        {"kind": "cancel", "revision": 2},
        {"kind": "batch", "from": 256.0, "to": 512.0, "rule": "sqrt"},
    ],
    ids=str,
)
def test_an_action_comes_back_as_it_was_written(data: dict[str, Any]) -> None:
    action = ACTION.validate_python(data)
    assert action.to_json() == data
    assert ACTION.validate_json(action.model_dump_json(exclude_unset=True)) == action


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kind": "scale"}, "`scale` takes `factor` or `to`, one of them"),
        ({"kind": "scale", "factor": 0.5, "to": 0.1}, "`scale` takes `factor` or `to`, one of them"),
        ({"kind": "scale", "factor": 0.0}, "greater than 0"),
        ({"kind": "set", "value": -0.1}, "greater than or equal to 0"),
        ({"kind": "set", "value": 0.1, "tracks": []}, "at least 1 item"),
        ({"kind": "set", "value": 0.1, "tracks": ["a/b/lr"]}, "pattern"),
        ({"kind": "cooldown", "steps": -1}, "duration"),
        ({"kind": "stretch", "total_steps": 0}, "greater than or equal to 1"),
        ({"kind": "rollback", "revision": 0}, "greater than or equal to 1"),
        ({"kind": "batch", "from": 0.0, "to": 1.0}, "greater than 0"),
        ({"kind": "hold", "value": 1.0}, "not permitted"),
        ({"kind": "create"}, "tag"),
        ({"kind": "rewind", "to_step": 0}, "tag"),
    ],
    ids=str,
)
def test_what_is_no_action_is_refused(data: dict[str, Any], said: str) -> None:
    """`create` and `rewind` stand in a history; nobody posts them as actions."""
    with pytest.raises(ValidationError, match=said):
        ACTION.validate_python(data)
