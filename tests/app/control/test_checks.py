"""What is asked of a curve before it is accepted, and what its author is told of a jump."""

from typing import Any

import pytest

from app.errors import Invalid
from tests.app.control.harness import LINEAR, Run

ONE = {"kind": "constant", "value": 1.0}
TRACK = {"kind": "track", "of": "lr", "factor": 0.5}


def step(value: float, at: int) -> dict[str, Any]:
    """Constant 1.0, and another value from a step on."""
    return {"kind": "piecewise", "boundaries": [at], "values": [1.0, value]}


def test_the_first_bad_step_is_named(run: Run) -> None:
    with pytest.raises(Invalid, match=r"lr would be -2\.0 at step 700; values must be finite and not negative"):
        run.create(step(-2.0, 700))


def test_a_curve_is_looked_at_up_to_its_end_and_no_further(run: Run) -> None:
    assert run.create(step(-2.0, 1000), total=1000)["revision"] == 1


def test_a_curve_without_an_end_is_looked_at_for_a_million_steps(run: Run) -> None:
    with pytest.raises(Invalid, match="at step 1048575;"):
        run.create(step(-2.0, 2**20 - 1), total=None)
    assert run.create(step(-2.0, 2**20), total=None)["revision"] == 1


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"min": 0.5}, r"lr would be 0\.25 at step 700; the run's bound min is 0\.5"),
        ({"max": 0.9}, r"lr would be 1\.0 at step 0; the run's bound max is 0\.9"),
    ],
)
def test_a_bound_is_named_with_the_first_step_beyond_it(run: Run, bounds: dict[str, float], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        run.create(step(0.25, 700), bounds={"lr": bounds})


@pytest.mark.parametrize(
    ("action", "idle"),
    [
        ({"kind": "scale", "factor": 1.0}, True),
        ({"kind": "scale", "factor": 1.0 + 1e-9}, False),
        ({"kind": "scale", "to": 0.5}, True),
        ({"kind": "stretch", "total_steps": 1000}, True),
        ({"kind": "stretch", "total_steps": 1001}, False),
        ({"kind": "rollback", "revision": 1}, True),
        ({"kind": "replace", "plan": {"tracks": {"lr": LINEAR}, "total_steps": 1000}}, True),
        ({"kind": "replace", "plan": {"tracks": {"lr": LINEAR, "clip": ONE}, "total_steps": 1000}}, False),
        ({"kind": "replace", "plan": {"tracks": {"lr": LINEAR, "a/lr": TRACK}, "total_steps": 1000}}, False),
        ({"kind": "hold"}, False),
        ({"kind": "set", "value": 0.5}, False),
    ],
    ids=str,
)
def test_a_revision_that_changes_nothing_is_worth_a_warning(run: Run, action: dict[str, Any], idle: bool) -> None:
    run.create()
    codes = [warning["code"] for warning in run.revise(action, 500)["warnings"]]
    assert ("changes-nothing" in codes) is idle


def test_what_is_pending_counts_for_what_a_revision_changes(run: Run) -> None:
    run.create()
    later = run.revise({"kind": "set", "value": 0.1}, 700)["number"]
    early = run.revise({"kind": "stretch", "total_steps": 1000}, 600)["warnings"]
    assert [warning["code"] for warning in early] == ["changes-nothing"]
    assert run.revise({"kind": "cancel", "revision": later})["warnings"] == []


def test_an_action_on_what_follows_a_metric_may_change_what_a_report_does(run: Run) -> None:
    run.create({"kind": "reduce_on_plateau", "of": ONE, "metric": "loss"})
    assert run.revise({"kind": "hold"})["warnings"] == []


@pytest.mark.parametrize(("factor", "warned"), [(0.4, True), (0.5, False), (1.4, False), (1.6, True), (0.0, None)])
def test_a_jump_of_more_than_half_is_worth_a_warning(run: Run, factor: float, warned: bool | None) -> None:
    run.create({"kind": "constant", "value": 0.8})
    action = {"kind": "scale", "factor": factor} if factor else {"kind": "set", "value": 0.0}
    codes = [warning["code"] for warning in run.revise(action)["warnings"]]
    assert ("jump" in codes) is (warned is not False)
