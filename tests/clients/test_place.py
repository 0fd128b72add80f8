"""`Place`: what a checkpoint keeps of a run."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lockstep.errors import AttemptSuperseded, Misused, RunReplaced
from lockstep.outage import Episode
from lockstep.place import Known, Place
from lockstep.window import Answer, Window

WINDOW = Window("u", 2, 5, 7, 3, {"lr": [0.1, 0.2]}, {"head/lr": ("lr", 10.0)})
PLACE = Place("r", 6, "u", 2, (WINDOW,), Episode(5, "follow", 3, None))


@pytest.mark.parametrize("place", [PLACE, Place("r"), replace(PLACE, windows=(), outage=None)])
def test_it_survives_json_bit_for_bit(place: Place) -> None:
    assert Place.from_json(json.loads(json.dumps(place.to_json())), "r") == place


def test_the_planned_values_are_not_for_checkpoints() -> None:
    assert replace(PLACE, tail=WINDOW).to_json() == PLACE.to_json()


def test_the_attempt_is_that_of_the_values() -> None:
    """A scheduler that had not joined yet kept none beside them."""
    assert Place.from_json(PLACE.to_json() | {"attempt": None}) == PLACE


@pytest.mark.parametrize(
    "change", [{"windows": None}, {"step": "x"}, {"outage": [1]}, {"windows": [{"uid": "u"}]}, {"windows": [3]}]
)
def test_something_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Misused, match="not the state of a Lockstep scheduler"):
        Place.from_json(PLACE.to_json() | change)


def test_another_run_is_refused() -> None:
    with pytest.raises(Misused, match="belongs to run 'r', this follower to 'other'"):
        Place.from_json(PLACE.to_json(), "other")


def answer(uid: str = "u", attempt: int = 1, **more: int) -> Answer:
    given = {"horizon": 40, "newest": 3, "verified_until": 5} | more
    return Answer(Window(uid, attempt, 9, 9, 2, {}), group={}, **given)


def test_a_worker_claims_what_it_has_heard_and_nothing_before() -> None:
    known = Known()
    assert known.claims() == {}
    known.learn("r", answer())
    assert known.claims() == {"uid": "u", "attempt": 1, "seen": {"revision": 3, "horizon": 40}}
    known.learn("r", answer(horizon=30, newest=2, verified_until=7))  # an answer that was slower than another
    assert known.claims()["seen"] == {"revision": 3, "horizon": 40}
    assert known.verified == 7


def test_a_worker_says_where_it_stood_until_it_is_answered() -> None:
    known = Known("u", moved_from=12)
    assert known.claims() == {"uid": "u", "moved_from": 12}
    known.learn("r", answer())
    assert "moved_from" not in known.claims()
    assert Known("u", 1, moved_from=12).claims()["moved_from"] == 12


def test_an_answer_of_another_run_or_attempt_teaches_nothing() -> None:
    known = Known("u", 1)
    with pytest.raises(RunReplaced, match="Run r has the uid v"):
        known.learn("r", answer("v"))
    with pytest.raises(AttemptSuperseded, match="at attempt 2"):
        known.learn("r", answer(attempt=2))
    assert known == Known("u", 1)


def test_a_checkpoint_goes_on_in_the_attempts_that_inherit_its_step() -> None:
    known = Known("u", None, origin=1)
    assert known.claims() == {"uid": "u", "attempt": 1}
    assert known.descends(AttemptSuperseded("over", members={"to_step": 30}), 30)
    assert known.claims() == {"uid": "u", "attempt": 2}
    assert not known.descends(AttemptSuperseded("over", members={"to_step": 29}), 30)
    assert not Known("u", 1).descends(AttemptSuperseded("over", members={"to_step": 99}), 30)
