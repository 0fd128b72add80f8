"""The tail: how long it is, when another is due, and which answers are none."""

from array import array
from typing import Any

import pytest

from lockstep.errors import Unavailable
from lockstep.outage import FOLLOW
from lockstep.tail import outdated, parse_tail, tail_steps
from lockstep.window import Window


def window(start: int, values: list[float], **changes: Any) -> Window:
    given: dict[str, Any] = {"uid": "u", "attempt": 1, "revision": 1} | changes
    return Window(start=start, stop=start + len(values), values={"lr": values}, **given)


@pytest.mark.parametrize(("pace", "steps"), [(None, 100_000), (1e-6, 100_001), (0.1, 36_001), (7200.0, 1)])
def test_a_tail_is_an_hour_or_a_hundred_thousand_steps(pace: float | None, steps: int) -> None:
    assert tail_steps(pace) == steps


@pytest.mark.parametrize(
    ("tail", "due"),
    [
        (None, True),
        (window(2, [1.0] * 100), False),
        (window(2, [1.0] * 100, revision=2), False),
        (window(2, [1.0] * 100, attempt=2), True),
        (window(2, [1.0] * 40), True),
    ],
)
def test_a_new_tail_is_due_after_a_revision_and_when_half_is_used(tail: Window | None, due: bool) -> None:
    last = window(0, [1.0, 1.0])
    assert outdated(tail, last, 1, 100) is due
    assert outdated(tail, last, 3, 100) is True


def test_an_answer_is_what_follows_the_window_under_the_newest_revision() -> None:
    last = window(0, [1.0, 0.5])
    tail = parse_tail({"lr": array("d", [0.4, 0.3]), "wd": array("d", [9.0])}, {"lockstep-newest": "4"}, last, 2)
    assert (tail.start, tail.stop, tail.revision, tail.values) == (2, 4, 4, {"lr": [0.4, 0.3]})
    assert (tail.uid, tail.attempt, tail.reason) == ("u", 1, FOLLOW)
    assert parse_tail({"lr": array("d", [0.4])}, {}, last, 2).revision == 2


@pytest.mark.parametrize(
    "columns", [{}, {"wd": array("d", [1.0])}, {"lr": array("d", [float("nan")])}, {"lr": array("d", [-1.0])}]
)
def test_an_answer_that_no_rate_can_follow_is_none(columns: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        parse_tail(columns, {}, window(0, [1.0]), 1)
