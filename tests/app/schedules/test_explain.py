"""What explain says is true: its formulas give the curve's values, its numbers are those of evaluate."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.schedules import compile_plan, resolve
from app.schedules.explain import MAX_SEGMENTS, segments, summary
from app.schedules.formula import FormulaError, evaluate, parse
from schemas.plans import Plan
from tests.app.schedules import trees
from tests.campaigns import amount

RAMP = {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": 100}


def explained(schedule: Any, start: int = 0, stop: int = 400) -> tuple[list[dict[str, Any]], Any]:
    plan = Plan.model_validate({"tracks": {"lr": schedule}, "total_steps": 1000, "steps_per_epoch": 10.0})
    plan = resolve(plan)
    compiled = compile_plan(plan)
    return segments(compiled, "lr", start, stop), compiled


@settings(max_examples=amount(60), deadline=None)
@given(trees.schedules, st.integers(0, 300))
def test_the_formula_of_a_segment_gives_its_values(data: Any, start: int) -> None:
    pieces, compiled = explained(data, start)
    texts = [piece["formula"] for piece in pieces]
    assume(not any(word in text for text in texts for word in ("x_k", ";", "float32", "with")))
    for piece, text in zip(pieces, texts, strict=True):
        middle = (piece["start"] + piece["stop"] - 1) // 2
        value = float(compiled.at("lr", middle)[0])
        if piece["stop"] - piece["start"] < 2:
            continue  # two pieces may meet within a step
        try:
            node = parse(text, frozenset({"step"}))
        except FormulaError as error:
            assert "at most" in str(error)  # noqa: PT017 - long sums are long formulas
            continue
        with np.errstate(all="ignore"):
            shown = float(evaluate(node, {}, np.array([float(middle)]))[0])
        assert shown == pytest.approx(value, rel=1e-7, abs=1e-9, nan_ok=True), text


@settings(max_examples=amount(30), deadline=None)
@given(trees.schedules)
def test_every_number_is_what_evaluate_gives(data: Any) -> None:
    pieces, compiled = explained(data)
    values = compiled.values("lr", 0, 400)
    assert [piece["start"] for piece in pieces] == [0, *(piece["stop"] for piece in pieces[:-1])]
    for piece in pieces:
        assert piece["start_value"] == values[piece["start"]]
        assert piece["end_value"] == values[piece["stop"] - 1]
    read = summary(values[::3], 0, 3)
    assert read["minimum"]["value"] == values[::3].min() == values[read["minimum"]["step"]]
    assert read["maximum"]["value"] == values[::3].max() == values[read["maximum"]["step"]]
    assert read["area"] == pytest.approx(3 * sum(values[::3]), rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "formulas"),
    [
        ({"kind": "constant", "value": 0.1}, ["0.1"]),
        (RAMP, ["0.1 + (0 - 0.1)*step/100", "0"]),
        (
            {"kind": "warmup", "steps": 10, "then": {**RAMP, "shape": "cosine"}},
            ["0 + (0.1 - 0)*step/10", "0.1 + (0 - 0.1)*(1 - cos(pi*(step - 10)/100))/2", "0"],
        ),
        (
            {"kind": "clock", "of": RAMP, "from": 50, "at": 50, "to": 150, "end": 100},
            ["0.1 + (0 - 0.1)*(step + 50)/200", "0"],
        ),
        (
            {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": 300, "staircase": True},
            ["0.1*0.5**floor(step/300)"] * 2,
        ),
        (
            {"kind": "iterate", "start": 0.1, "update": "sin(value)", "limit": 9},
            ["x_k, k = floor(step), k at most 9; x_0 = 0.1, x_k = sin(value)"],
        ),
        ({"kind": "formula", "expression": "a*step", "let": {"a": "0.1"}}, ["a*step; a = 0.1"]),
    ],
    ids=str,
)
def test_formulas_read_well(schedule: Any, formulas: list[str]) -> None:
    pieces = [piece for piece in explained(schedule)[0] if piece["start"] != 50]
    assert [piece["formula"].replace("(step - 0)", "step") for piece in pieces][-len(formulas) :] == formulas


def test_there_are_not_too_many_segments() -> None:
    busy = {"kind": "repeat", "of": RAMP, "steps": 1}
    pieces, _ = explained(busy)
    assert len(pieces) == MAX_SEGMENTS
    assert pieces[-1]["stop"] == 400


@pytest.mark.parametrize(
    ("schedule", "direction"),
    [(RAMP, "falling"), ({**RAMP, "end": 1.0}, "rising"), ({**RAMP, "end": 0.1}, "constant"), (trees.TOTAL, None)],
)
def test_directions(schedule: Any, direction: str | None) -> None:
    cyclic = {"kind": "cyclic", "low": 0.0, "high": 1.0, "up_steps": 5}
    _, compiled = explained(schedule if isinstance(schedule, dict) else cyclic)
    assert summary(compiled.values("lr", 0, 50), 0, 1)["monotonic"] == direction


@pytest.mark.parametrize("begin", [2**24, 2**52, 2**53 - 1])
@pytest.mark.parametrize(
    "late",
    [
        {"kind": "optax.linear_schedule", "init_value": 0.1, "end_value": 0.0, "transition_steps": 10},
        {"kind": "optax.exponential_decay", "init_value": 0.1, "decay_rate": 0.5, "transition_steps": 10},
    ],
    ids=lambda spec: spec["kind"],
)
def test_what_begins_later_than_float32_can_tell_steps_apart(late: dict[str, Any], begin: int) -> None:
    pieces, _ = explained({**late, "transition_begin": begin})
    assert {piece["start_value"] for piece in pieces} == {float(np.float32(0.1))}


def test_in_float32_two_times_of_a_clock_may_be_one() -> None:
    ramp = {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": 100}
    pieces, _ = explained({"kind": "float32", "of": {"kind": "clock", "of": ramp, "from": 2**30, "to": 2**30 + 1}})
    assert {piece["start_value"] for piece in pieces} == {float(np.float32(0.1))}
