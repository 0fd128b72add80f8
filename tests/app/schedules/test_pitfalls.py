"""Each pitfall that a spec can show is warned of, where it is, and a sound spec gets no warning."""

from typing import Any

import pytest

from app.control.schedules import explain
from schemas.evaluate import Explain

COSINE = {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": 100}
ONE = {"kind": "constant", "value": 0.1}


def warned(schedule: Any, **lengths: Any) -> list[tuple[str, str]]:
    answer = explain(Explain.model_validate({"schedule": schedule, **lengths}))
    return [(warning["code"], warning["pointer"]) for warning in answer["warnings"]]


@pytest.mark.parametrize(
    ("schedule", "lengths", "warnings"),
    [
        (COSINE, {"total_steps": 100}, []),
        (COSINE, {}, []),
        (ONE, {"total_steps": 100}, []),
        (
            {"kind": "warmup_cosine", "peak": 0.1, "start": 0.01, "warmup_steps": "5%", "decay_steps": "95%"},
            {"total_steps": 1000},
            [],
        ),
        ({"kind": "cyclic", "low": 0.1, "high": 0.5, "up_steps": 10}, {"total_steps": 100}, []),
        ({"kind": "repeat", "of": COSINE, "steps": 100, "growth": 2.0}, {"total_steps": 700}, []),
        ({"kind": "warmup", "steps": 10, "then": COSINE}, {"total_steps": 110}, [("starts-at-zero", "/schedule")]),
        ({**COSINE, "end": -0.1}, {"total_steps": 100}, [("negative", "/schedule")]),
        ({**COSINE, "past": "continue"}, {"total_steps": 150}, [("rises-again", "/schedule")]),
        (COSINE, {"total_steps": 60}, [("end-never-comes", "/schedule")]),
        (COSINE, {"total_steps": 1000}, [("ends-early", "/schedule")]),
        (
            COSINE,
            {"total_steps": 5000, "steps_per_epoch": 50.0},
            [("ends-early", "/schedule"), ("looks-like-epochs", "/schedule")],
        ),
        (
            {"kind": "warmup", "steps": 100, "start": 0.01, "then": ONE},
            {"total_steps": 100},
            [("warmup-longer-than-run", "/schedule")],
        ),
        (
            {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 10}, {"schedule": {**ONE, "value": 0.2}}]},
            {"total_steps": 50},
            [("jump", "/schedule/phases/0")],
        ),
        (
            {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 0}, {"schedule": ONE}]},
            {"total_steps": 50},
            [("skipped", "/schedule/phases/0")],
        ),
        (
            {"kind": "scale", "factor": 2.0, "of": {"kind": "repeat", "of": COSINE, "steps": 60}},
            {"total_steps": 120},
            [("cycle-cut", "/schedule/of")],
        ),
        (
            {
                "kind": "reduce_on_plateau",
                "of": ONE,
                "threshold_mode": "signed",
                "patience": 0,
                "patience_test": "equal",
            },
            {"total_steps": 9},
            [("signed-threshold", "/schedule"), ("reduces-on-improvement", "/schedule")],
        ),
        (
            {"kind": "clock", "of": COSINE, "to": 200, "end": 100},
            {"total_steps": 150},
            [("end-never-comes", "/schedule/of")],
        ),
        (
            {"kind": "clock", "of": COSINE, "from": 50, "at": 50, "to": 100, "end": 100, "held": True},
            {"total_steps": 90},
            [],
        ),
    ],
    ids=lambda case: str(case)[:90],
)
def test_warnings(schedule: Any, lengths: Any, warnings: list[tuple[str, str]]) -> None:
    assert warned(schedule, **lengths) == warnings


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "exponential", "start": 0.1, "rate": 1.0, "steps": 5e-324, "staircase": True},
        {"kind": "cyclic", "low": 0.1, "high": 0.2, "up_steps": 5e-324},
        {"kind": "repeat", "of": COSINE, "steps": 1e-300, "growth": 2.0},
        {"kind": "clock", "of": COSINE, "to": 5e-324, "end": 100},
    ],
    ids=str,
)
def test_cycles_without_number_in_a_step_are_no_trap(schedule: Any) -> None:
    lengths = {"total_steps": 50, "steps_per_epoch": 5.0}
    answer = explain(Explain.model_validate({"schedule": schedule, **lengths}))
    assert answer["steps"]["stop"] == 50


def test_a_plan_is_explained_by_track() -> None:
    plan = {"tracks": {"a/lr": COSINE, "b/lr": {"kind": "track", "of": "a/lr", "factor": 2.0}}, "total_steps": 60}
    answer = explain(Explain.model_validate({"plan": plan}))
    assert answer["derived"] == {"b/lr": {"of": "a/lr", "times": 2.0}}
    assert list(answer["tracks"]) == ["a/lr"]
    (warning,) = answer["tracks"]["a/lr"]["warnings"]
    assert warning["pointer"] == "/plan/tracks/a~1lr"


def test_the_lowered_form_is_native_and_gives_the_same() -> None:
    wsd = {"kind": "wsd", "peak": 0.1, "warmup_steps": "10%", "stable_steps": "70%", "decay_steps": "20%"}
    answer = explain(Explain.model_validate({"schedule": wsd, "total_steps": 50}))
    again = explain(Explain.model_validate({"schedule": answer["lowered"], "total_steps": 50}))
    assert again["lowered"] == answer["lowered"]
    assert again["segments"] == answer["segments"]
    assert [phase.get("steps") for phase in answer["lowered"]["phases"]] == [5, 35, None]
