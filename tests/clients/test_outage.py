"""What a worker does without a committed value."""

from typing import Any

import pytest

from lockstep.errors import Unavailable
from lockstep.outage import FOLLOW, FREEZE, POLICIES, Episode, Outage, decide, episode, stand_in
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


def test_requests_that_fail_are_repeated_ever_more_slowly_but_soon_enough() -> None:
    outage, waits = Outage(), []
    for _ in range(8):
        outage.failed(Unavailable("away"), 10.0, 20.0, 1.0, timeout=5.0)
        waits.append(round(outage.retry_at - 20.0, 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]
    outage.failed(Unavailable("away"), 10.0, 20.0, 0.0, timeout=5.0)
    assert outage.retry_at == 20.5  # half of it, for the luckiest of many workers
    outage.over()
    assert (outage.failures, outage.error) == (0, None)


def test_patience_grows_only_where_a_request_took_all_of_it_in_an_outage() -> None:
    outage = Outage()
    outage.failed(Unavailable("slow"), 0.0, 1.0, 0.0, timeout=5.0)
    assert outage.patience == 0.5
    outage.episode = Episode(8, FREEZE, 1, None)
    outage.failed(Unavailable("refused"), 1.0, 1.1, 0.0, timeout=5.0)
    assert outage.patience == 0.5
    for sent, patience in ((2.0, 1.0), (4.0, 2.0), (8.0, 4.0), (16.0, 5.0), (32.0, 5.0)):
        outage.failed(Unavailable("slow"), sent, sent + 5.0, 0.0, timeout=5.0)
        assert outage.patience == patience


def test_a_failure_from_before_the_value_was_needed_is_stale() -> None:
    outage = Outage()
    outage.failed(Unavailable("away"), 5.0, 6.0, 0.0, timeout=5.0)
    assert not outage.stale
    outage.short_since = 7.0
    assert outage.stale
    outage.failed(Unavailable("away"), 7.0, 8.0, 0.0, timeout=5.0)
    assert not outage.stale


@pytest.mark.parametrize(("end", "left"), [(20, None), (24, Episode(20, FOLLOW, 3, 90))])
def test_what_the_training_did_while_it_told_of_an_outage_is_told_next(end: int, left: Episode | None) -> None:
    outage = Outage(episode=Episode(8, FOLLOW, 3, 90), patience=4.0)
    outage.told(20, end)
    assert (outage.episode, outage.patience) == (left, 0.5)
