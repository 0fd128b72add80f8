"""What a worker does without a committed value."""

from typing import Any

import pytest

from lockstep.outage import FOLLOW, FREEZE, POLICIES, decide, episode, stand_in
from lockstep.tail import outdated, tail_steps
from lockstep.window import Window


def window(start: int, values: list[float], **changes: Any) -> Window:
    given: dict[str, Any] = {"uid": "u", "attempt": 1, "revision": 1} | changes
    return Window(start=start, stop=start + len(values), values={"lr": values}, **given)


def test_freeze_holds_the_last_value() -> None:
    last = window(0, [3.0, 2.0], revision=7)
    held = stand_in(FREEZE, last, None, 3)
    assert (held.start, held.stop, held.values, held.reason, held.revision) == (2, 5, {"lr": [2.0] * 3}, FREEZE, 7)
    assert episode(FREEZE, last, None) == (2, FREEZE, 7, None)


def test_follow_uses_the_tail_and_then_holds_its_last_value() -> None:
    last, tail = window(0, [9.0, 8.0]), window(1, [8.0, 7.0, 6.0, 5.0], revision=3)
    first = stand_in(FOLLOW, last, tail, 2)
    second = stand_in(FOLLOW, first, tail, 2)
    third = stand_in(FOLLOW, second, tail, 2)
    assert [w.values["lr"] for w in (first, second, third)] == [[7.0, 6.0], [5.0], [5.0, 5.0]]
    assert [w.reason for w in (first, second, third)] == [FOLLOW, FOLLOW, FREEZE]
    assert [w.start for w in (first, second, third)] == [2, 4, 5]
    assert episode(FOLLOW, last, tail) == (2, FOLLOW, 3, 5)


@pytest.mark.parametrize(
    "tail",
    [
        None,
        window(5, [1.0]),
        window(0, [1.0, 1.0]),
        window(0, [1.0] * 9, revision=0),
        window(0, [1.0] * 9, attempt=2),
        window(0, [1.0] * 9, uid="v"),
    ],
    ids=["none", "later", "past", "older revision", "other attempt", "other run"],
)
def test_follow_without_a_tail_holds_the_last_value_and_says_so(tail: Window | None) -> None:
    last = window(0, [9.0, 8.0])
    assert stand_in(FOLLOW, last, tail, 2).values == {"lr": [8.0, 8.0]}
    assert episode(FOLLOW, last, tail) == (2, FOLLOW, 1, 2)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("holding", "away", "waited", "decision"),
    [
        (False, False, 0.0, dict.fromkeys(POLICIES, "wait")),
        (False, True, 9.9, dict.fromkeys(POLICIES, "wait")),
        (False, True, 10.0, dict.fromkeys(POLICIES, "raise")),
        (True, False, 0.0, dict.fromkeys(POLICIES, "wait")),
        (True, True, 0.0, {"follow": "stand-in", "freeze": "stand-in", "wait": "wait", "raise": "raise"}),
        (True, True, 99.0, {"follow": "stand-in", "freeze": "stand-in", "wait": "wait", "raise": "raise"}),
        (True, True, 100.0, {"follow": "stand-in", "freeze": "stand-in", "wait": "raise", "raise": "raise"}),
        (True, False, 100.0, {"follow": "stand-in", "freeze": "stand-in", "wait": "raise", "raise": "raise"}),
    ],
)
def test_decisions(policy: str, holding: bool, away: bool, waited: float, decision: dict[str, str]) -> None:
    made = decide(policy, holding=holding, away=away, waited=waited, start_seconds=10.0, wait_seconds=100.0)
    assert made == decision[policy]


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
