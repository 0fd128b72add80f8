"""Shorthands: what each is made of, and what it refuses."""

from typing import Any

import pytest

from schemas.specs import Lowered, Spec, schedule

SHORT: dict[str, dict[str, Any]] = {
    "piecewise": {"boundaries": [30, 60], "values": [1.0, 0.5, 0.1]},
    "cyclic": {"low": 0.1, "high": 0.5, "up_steps": 4},
    "wsd": {"peak": 0.1, "warmup_steps": 5, "stable_steps": 10, "decay_steps": 5},
    "warmup_cosine": {"peak": 0.1, "warmup_steps": 5, "decay_steps": 10},
    "one_cycle": {"peak": 0.1, "up_steps": 5, "down_steps": 10},
    "inverse_sqrt": {"peak": 0.1, "warmup_steps": 5},
    "range_test": {"start": 1e-6, "end": 1.0, "steps": 100},
}


def lowered(kind: str, **fields: Any) -> Spec:
    spec = schedule({"kind": kind, **SHORT[kind], **fields})
    assert isinstance(spec, Lowered)
    return spec.lower()


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("piecewise", "interpolate"),
        ("cyclic", "sum"),
        ("wsd", "sequence"),
        ("warmup_cosine", "sequence"),
        ("one_cycle", "sequence"),
        ("inverse_sqrt", "sequence"),
        ("range_test", "ramp"),
    ],
)
def test_a_shorthand_is_made_of_native_kinds(kind: str, made: str) -> None:
    assert lowered(kind).kind == made


def test_the_lengths_of_the_parts_are_those_that_were_given() -> None:
    wsd = lowered("wsd").to_json()
    assert [phase.get("steps") for phase in wsd["phases"]] == [5, 10, None]
    assert [cycle(lowered("cyclic")), cycle(lowered("cyclic", down_steps=6))] == [8, 10]


def cycle(spec: Spec) -> int:
    """The length of the cycles in the sum of a level and a repetition times a number."""
    level, swing = spec.to_json()["of"]
    assert (level["kind"], swing["kind"], swing["of"]["kind"]) == ("constant", "scale", "repeat")
    steps: int = swing["of"]["steps"]
    return steps


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("piecewise", {"values": [1.0]}, "2 boundaries need 3 values"),
        ("range_test", {"start": 0.0}, "above 0"),
        ("cyclic", {"up_steps": 0}, "duration"),
    ],
)
def test_what_makes_none_is_refused(kind: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lowered(kind, **fields)
