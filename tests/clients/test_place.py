"""`Place`: what a checkpoint keeps of a run."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lockstep.errors import Misused
from lockstep.outage import Episode
from lockstep.place import Place
from lockstep.window import Window

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
