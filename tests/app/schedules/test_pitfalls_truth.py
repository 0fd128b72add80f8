"""What a warning says of a curve is true of all of its values, whatever the schedule: computed one by one."""

import re
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schedules import compile_plan, pitfalls, resolve
from app.schedules.compiled import Values
from schemas.base import Warned
from schemas.plans import Plan
from tests.app.schedules import trees
from tests.campaigns import amount

FAR = 3000


def step_of(warning: Warned) -> int:
    """The step that a warning names first."""
    found = re.search(r"at step (\d+)", warning.detail)
    assert found is not None, warning.detail
    return int(found[1])


def holds(warning: Warned, values: Values, total: int) -> bool:
    """Whether it is true of the values at steps 0, 1, ..., of which the first `total` are the run's."""
    run = values[:total]
    match warning.code:
        case "always-zero":
            return not run.any()
        case "starts-at-zero":
            return bool(run[0] == 0 and run.any())
        case "negative":
            return bool(run[step_of(warning)] < 0)
        case "never-changes":
            step = step_of(warning)
            return bool(np.all(values[: min(step, FAR)] == run[0]) and (step >= FAR or values[step] != run[0]))
        case "ends-early":
            step = step_of(warning)
            return bool(np.all(run[step:] == run[-1]) and run[step - 1] > run[step] and step < 0.99 * total)
        case "end-never-comes":
            step = step_of(warning)
            return bool(step > total and (step >= FAR or not np.isclose(values[step], run[-1], rtol=1e-9, atol=0)))
        case "rises-again":
            step = step_of(warning)
            return bool(run[step] < run[step - 1 - (step - 1) // 50 : step].max() and run[step:].max() > run[step])
        case "warmup-longer-than-run":
            return bool(np.all(np.diff(run) >= 0) and run[-1] > run[0])
        case "jump":
            step = step_of(warning)
            return bool(abs(run[step] - run[step - 1]) > 0)
        case "floor-above-peak" | "above-its-peak":
            return True
    return warning.code in ("skipped", "cycle-cut", "below-one-step")


@settings(max_examples=amount(200), deadline=None)
@given(trees.schedules, st.sampled_from([10, 100, 150, 300, 1000]))
def test_what_is_said_is_so(schedule: Any, total: int) -> None:
    plan = resolve(Plan.model_validate({"tracks": {"lr": schedule}, "total_steps": total, "steps_per_epoch": 10.0}))
    values = compile_plan(plan).values("lr", 0, FAR)
    if not np.isfinite(values).all():
        return
    untrue = [warning for warning in pitfalls(plan) if not holds(warning, values, total)]
    assert untrue == []


@settings(max_examples=amount(100), deadline=None)
@given(trees.schedules, st.integers(10, 400))
def test_what_stays_the_same_is_noticed(schedule: Any, total: int) -> None:
    """A run whose values are all one and the same is warned of where the curve goes on to others soon after it."""
    plan = resolve(Plan.model_validate({"tracks": {"lr": schedule}, "total_steps": total, "steps_per_epoch": 10.0}))
    values = compile_plan(plan).values("lr", 0, FAR)
    if not np.isfinite(values).all() or np.any(values[:total] != values[0]) or np.all(values == values[0]):
        return
    codes = {warning.code for warning in pitfalls(plan)}
    changes = int(np.argmax(values != values[0]))
    late = changes > total + 1 + 0.01 * total
    assert not late or codes & {"never-changes", "always-zero", "past-the-end", "warmup-longer-than-run"}
