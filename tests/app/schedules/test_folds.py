"""Metric folds against small tables worked out by hand, one per rule and quirk."""

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import pytest

from app.schedules.folds import advance, factors, initial
from schemas.folds import Greedy, ReduceOnPlateau
from schemas.specs import schedule

ONE = {"kind": "constant", "value": 1.0}
FLAT = [1.0] * 8


def run(metrics: Sequence[float], kind: str = "reduce_on_plateau", **fields: Any) -> list[float]:
    """The factor before any report and after each."""
    fold = schedule({"kind": kind, "of": ONE, "multiplier": 0.5, "patience": 2, **fields})
    assert isinstance(fold, ReduceOnPlateau | Greedy)
    state, seen = initial(fold), [fold.factor]
    for metric in metrics:
        state = advance(fold, state, metric)
        seen.append(state["factor"])
    return seen


@pytest.mark.parametrize(
    ("fields", "metrics", "expected"),
    [
        # the first report is the best so far, then three bad ones are more than the patience of two
        ({}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({"patience_test": "reached"}, FLAT, [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
        ({"patience": 0, "patience_test": "equal"}, FLAT, [1, 0.5] + [0.5] * 7),  # optax reduces on a gain
        ({"cooldown": 3}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]),
        ({"cooldown": 1, "cooldown_style": "last_counts"}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({"cooldown": 1, "cooldown_style": "watch"}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]),
        ({"min_factor": 0.4}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.4, 0.4]),
        ({"min_change": 0.3}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]),
        ({"window": 2}, FLAT, [1] * 8 + [0.5]),
        ({"mode": "max"}, [1.0, 2.0, 3.0, 3.0, 3.0, 3.0], [1, 1, 1, 1, 1, 1, 0.5]),
        ({}, [1.0, nan, nan, nan], [1, 1, 1, 1, 0.5]),
        ({}, [inf, 1.0, 1.0, 1.0, 1.0], [1, 1, 1, 1, 1, 0.5]),
        ({"threshold": 0.1, "threshold_mode": "abs"}, [1.0, 0.95, 0.92, 0.91], [1, 1, 1, 1, 0.5]),
        ({"threshold": 0.1, "threshold_mode": "abs"}, [1.0, 0.89, 0.78, 0.67], [1, 1, 1, 1, 1]),
        # a metric below 0 that falls: with |best| that is a gain, with the libraries' formula never
        ({"threshold": 0.1}, [-1.0, -2.0, -3.0, -4.0], [1, 1, 1, 1, 1]),
        ({"threshold": 0.1, "threshold_mode": "signed"}, [-1.0, -1.05, -1.06, -1.05], [1, 1, 1, 1, 1]),
        ({"threshold": 0.1, "threshold_mode": "signed"}, [-1.0, -0.95, -0.92, -0.93], [1, 1, 1, 1, 1]),
        ({"threshold": 0.0, "margin": 0.5}, [3.0, 2.6, 2.51, 2.5], [1, 1, 1, 1, 0.5]),
    ],
    ids=str,
)
def test_plateau(fields: Any, metrics: Sequence[float], expected: list[float]) -> None:
    assert run(metrics, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "metrics", "expected"),
    [
        ({}, FLAT, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({}, [5.0, 4.0, 3.0, 2.0, 1.0], [1, 1, 1, 2, 2, 2]),
        ({"max_factor": 1.5}, [5.0, 4.0, 3.0, 2.0, 1.0, 0.5], [1, 1, 1, 1.5, 1.5, 1.5, 1.5]),
        ({"warmup": 2}, [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0], [1, 1, 1, 2, 2, 2, 2, 2, 4]),
        ({"patience": 0, "min_factor": 0.5, "reset_after": 2}, FLAT[:4], [1, 2, 1, 0.5, 1]),
        ({"patience": 0, "window": 2}, [2.0, 2.0, 0.0, 2.0], [1, 2, 1, 2, 1]),
    ],
    ids=str,
)
def test_greedy(fields: Any, metrics: Sequence[float], expected: list[float]) -> None:
    assert run(metrics, "greedy", **fields) == expected


def test_reports_before_since_and_under_a_held_clock_do_not_count() -> None:
    fold = {"kind": "reduce_on_plateau", "of": ONE, "multiplier": 0.5, "patience": 2}
    assert [step for step, _ in factors(schedule(fold), FLAT)] == [0, 4, 7]
    assert [step for step, _ in factors(schedule({**fold, "since": 3}), FLAT)] == [0, 7]
    held = {"kind": "clock", "of": fold, "held": True}
    assert [step for step, _ in factors(schedule(held), FLAT)] == [0]


def test_folds_are_found_wherever_they_are() -> None:
    fold = {"kind": "reduce_on_plateau", "of": ONE, "multiplier": 0.5, "patience": 2}
    tree = {
        "kind": "sequence",
        "phases": [{"schedule": ONE, "steps": 3}, {"schedule": {"kind": "sum", "of": [ONE, fold]}}],
    }
    (_, first), (_, second), *_ = factors(schedule(tree), FLAT)
    assert first == schedule(tree)
    assert second.to_json()["phases"][1]["schedule"]["of"][1]["factor"] == 0.5
