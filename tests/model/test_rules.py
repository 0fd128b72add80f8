"""The model against the numbers that the texts give, so that what judges the service is itself judged."""

from typing import Any

import pytest

from tests.model.actions import Refused
from tests.model.rules import Run

LINEAR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}
HALF = {"kind": "scale", "factor": 0.5}


def run(schedule: dict[str, Any] = LINEAR, total: int = 1000) -> Run:
    """A run of one track whose first window has been given."""
    made = Run({"tracks": {"lr": schedule}, "total_steps": total}, uid="u")
    made.commit(8)
    return made


def come_back(made: Run, step: int, revision: int, policy: str = "follow") -> None:
    """A worker that held values up to the horizon returns at `step`."""
    told = {"start": made.horizon, "policy": policy, "revision": revision}
    made.window({"worker": "rank-0", "step": step, "uid": "u", "attempt": made.attempt, "fallback": told})


def at(made: Run, *steps: int) -> list[Any]:
    """The values at these steps, to be compared."""
    return [pytest.approx(made.values(step, step + 1)[0]["lr"], rel=1e-12, abs=1e-15) for step in steps]


def test_holds_scale_and_resume_as_in_the_algebra() -> None:
    made = run()
    for action, step in (("hold", 200), ("hold", 250), (HALF, 300), ("resume", 400)):
        made.revise(action if isinstance(action, dict) else {"kind": action}, step)
    assert at(made, 200, 299, 300, 800, 1200) == [0.8, 0.8, 0.4, 0.2, 0.0]


def test_a_stretched_wsd_begins_its_decay_later() -> None:
    phases = [
        {"schedule": {"kind": "constant", "value": 1.0}, "steps": 800},
        {"schedule": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 200}},
    ]
    made = run({"kind": "sequence", "phases": phases})
    made.revise({"kind": "stretch", "total_steps": 2000}, 500)
    assert at(made, 1400, 1403, 2000) == [1.0, 0.995, 0.0]


def test_a_stretch_re_times_what_is_left_up_to_the_end_that_a_cooldown_made() -> None:
    made = Run({"tracks": {"lr": LINEAR, "momentum": LINEAR}, "total_steps": 1000}, uid="u")
    made.revise({"kind": "cooldown", "steps": 90}, 10)
    made.revise({"kind": "stretch", "total_steps": 190}, 10)
    found = [made.values(step, step + 1)[0]["momentum"] for step in (10, 100, 190)]
    assert found == pytest.approx([0.99, 0.945, 0.9], rel=1e-12)


def test_a_return_applies_a_revision_once() -> None:
    made = run()
    made.revise(HALF, 100)
    made.revise(HALF)
    come_back(made, 200, 2)
    assert [row.from_step for row in made.revisions] == [0, 100, 200]
    assert at(made, 50, 150, 250) == [0.95, 0.425, 0.1875]


def test_what_cannot_be_applied_after_a_return_is_dropped() -> None:
    made = run()
    made.revise({"kind": "cooldown", "steps": 90}, 50)
    made.revise({"kind": "scale", "to": 0.3})
    come_back(made, 200, 2)
    assert [row.dropped_in for row in made.revisions] == [None, None, 1]
    assert at(made, 200) == [0.0]


def test_a_resume_with_nothing_held_is_dropped() -> None:
    made = run()
    made.revise({"kind": "hold"}, 10)
    made.revise({"kind": "resume"}, 60)
    made.revise({"kind": "replace", "plan": {"tracks": {"lr": LINEAR}, "total_steps": 1000}}, 9)
    come_back(made, 40, 3)
    assert [row.dropped_in for row in made.revisions] == [None, None, 1, None]
    assert [row.from_step for row in made.revisions] == [0, 10, 60, 40]


def test_moved_revisions_keep_the_order_that_they_were_posted_in() -> None:
    made = run({"kind": "constant", "value": 1.0})
    made.revise({"kind": "scale", "to": 0.3}, 120)
    made.revise(HALF, 110)
    come_back(made, 200, 1)
    assert at(made, 150, 200) == [1.0, 0.3]


def test_a_window_ends_at_a_known_revision_inside_a_gap() -> None:
    made = run()
    made.revise(HALF, 100)
    come_back(made, 200, 2, "freeze")
    assert at(made, 99, 100, 199) == [0.993, 0.993, 0.993]
    assert (made.boundary(50), made.boundary(100)) == (100, 200)


def test_what_a_pending_revision_rests_on_is_not_cancelled() -> None:
    made = run()
    made.revise({"kind": "set", "value": 0.7}, 20)
    made.revise({"kind": "rollback", "revision": 2}, 100)
    with pytest.raises(Refused, match="revision-needed"):
        made.revise({"kind": "cancel", "revision": 2})
    assert at(made, 20, 100) == [0.7, 0.7]


def test_a_rewind_keeps_what_is_below_and_drops_what_is_beyond() -> None:
    made = run()
    made.revise(HALF, 50)
    made.commit(60)
    assert made.rewind(40, {"kind": "set", "value": 0.1}) == [2]
    assert at(made, 39, 40, 50) == [0.961, 0.1, 0.1]


def test_a_rewind_drops_what_was_cancelled_with_its_cancel() -> None:
    made = run()
    made.revise(HALF, 20)
    made.revise({"kind": "cancel", "revision": 2})
    assert made.rewind(4) == [2, 3]
    assert at(made, 19, 20) == [0.981, 0.98]


def test_what_a_worker_had_to_apply_holds_in_the_gap_and_again_where_a_rewind_drops_the_cancel() -> None:
    made = run()
    made.revise(HALF, 20)
    made.revise({"kind": "cancel", "revision": 2})
    come_back(made, 60, 2)
    assert at(made, 19, 20, 59, 60) == [0.981, 0.49, 0.4705, 0.94]
    assert made.rewind(40) == [3]
    assert at(made, 39, 40, 60) == [0.4805, 0.48, 0.47]


def test_what_no_worker_knew_goes_behind_the_gap_also_where_it_was_cancelled() -> None:
    made = run()
    made.revise(HALF, 20)
    made.revise({"kind": "cancel", "revision": 2})
    come_back(made, 60, 1)
    assert [row.from_step for row in made.revisions] == [0, 60, 60]
    assert made.rewind(40) == [2, 3]


def test_who_brings_no_uid_claims_nothing() -> None:
    made = run()
    for claim in ({"attempt": 99}, {"seen": {"revision": 9, "horizon": 9}}, {"leaving": True}):
        with pytest.raises(Refused, match="invalid"):
            made.window({"worker": "stranger", "step": 8, **claim})
    assert not made.behind
