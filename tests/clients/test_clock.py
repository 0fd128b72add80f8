"""`Clock`: updates beside steps, and what becomes of them where they part."""

from typing import Any

import pytest

from lockstep.clock import ANY, Clock
from lockstep.errors import Misused
from lockstep.report import MISCOUNTED, Record
from lockstep.slots import Slots
from lockstep.window import Window


class Loop:
    """A clock with a record, driven by a word: `u` is an update, `s` the scheduler's step."""

    def __init__(self, per_step: int | str | None = None) -> None:
        self.clock, self.record = Clock(per_step), Record()
        self.record.begin(0)
        self.record.counter = self.clock
        self.clock.place = (100, iter(range(99)))

    def run(self, word: str) -> "Loop":
        for letter in word:
            if letter == "u":
                self.clock.made += 1
                continue
            if self.clock.made != self.clock.due:
                self.clock.parted(self.record, "r")
            self.clock.made = 0
            next(self.clock.place[1])
        return self


@pytest.mark.parametrize(
    ("per_step", "word", "first", "beyond"),
    [
        pytest.param(None, "us" * 20, None, False, id="right"),
        pytest.param(None, "su" * 20, 0, False, id="before"),
        pytest.param(None, ("u" * 10 + "s") * 4, 1, True, id="per epoch"),
        pytest.param(None, "uss" * 5, 1, False, id="twice"),
        pytest.param(None, "us" * 5 + "u" * 8 + "us" * 5, 6, True, id="no step()"),
        pytest.param(None, "us" * 5 + "s" * 8 + "us" * 5, 5, False, id="no update"),
        pytest.param(3, "uuus" * 5, None, False, id="three"),
        pytest.param(3, "uuus" + "uus" + "uuus" * 3, 1, False, id="two of three"),
        pytest.param(ANY, "us" + "uuus" + "s" + "uus", None, False, id="any"),
    ],
)
def test_the_steps_that_are_not_one_update_each(
    per_step: int | str | None, word: str, first: int | None, beyond: bool
) -> None:
    loop = Loop(per_step).run(word)
    assert loop.record.marks == ({} if first is None else {MISCOUNTED: first})
    assert loop.clock.beyond() == beyond
    assert loop.clock.position() == word.count("s")


@pytest.mark.parametrize(("places", "made"), [([0, 1], 1), ([1, 0], 1), ([0], -1), ([0, 1, 1], -1)])
def test_of_several_optimizers_each_makes_its_update(places: list[int], made: int) -> None:
    clock = Clock(optimizers=2)
    for _ in range(3):
        updates = [clock.updated(place) for place in places]
        assert (clock.made, updates[-1]) == (made, places.count(places[-1]))
        assert clock.counts() == [places.count(0), places.count(1)]
        clock.made = 0
        assert clock.counts() == [0, 0]


def test_what_to_change_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    Loop().run("su" * 5)
    assert [record.message for record in caplog.records] == [
        "Run r is miscounted from step 0 on: scheduler.step() came after 0 updates of the optimizer, and a step takes "
        "1. Call it once after each optimizer.step(), never before; where a gradient scaler may skip updates, pass "
        "`scaler`."
    ]
    caplog.clear()
    Loop().run("us" + "uuus" * 5)
    (said,) = (record.message for record in caplog.records)
    assert said.startswith("Run r is miscounted from step 2 on: the optimizer made 3 updates with the values of step 1")


def test_an_update_too_many_is_noticed_before_any_step(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop().run("uu")
    loop.clock.late(loop.record, "r")
    assert (loop.record.marks, loop.clock.beyond()) == ({MISCOUNTED: 1}, True)
    assert caplog.text.count("miscounted from step 1 on") == 1


def test_what_nobody_can_count_is_not_looked_at_again() -> None:
    loop = Loop()
    loop.clock.ignore()
    loop.run("uus" * 3)
    assert (loop.record.marks, loop.clock.due, loop.clock.beyond()) == ({}, None, True)
    assert loop.clock.settle(loop.record) == loop.clock.position() + 1
    loop.clock.go_to(5)
    assert (loop.clock.due, loop.clock.beyond()) == (None, True)


def test_a_move_forgets_the_updates_before_it() -> None:
    loop = Loop().run("suu")
    loop.clock.go_to(30)
    assert (loop.clock.position(), loop.clock.made, loop.clock.due, loop.clock.beyond()) == (30, 0, 1, False)


@pytest.mark.parametrize("per_step", [0, -1, 1.5, "two"])
def test_a_number_of_updates_that_there_is_not(per_step: Any) -> None:
    with pytest.raises(Misused, match=r"`updates_per_step` is a whole number from 1 on, or 'any'"):
        Clock(per_step)


@pytest.fixture
def held() -> tuple[Loop, dict[str, Any]]:
    """A loop at step 2, whose update is made, and the group that it used."""
    loop, group = Loop().run("ususu"), {"lr": 0.25}
    window = Window("u", 1, 0, 4, 1, {"lr": [1.0, 0.5, 0.25, 0.125]})
    loop.record.ledger.take(window, 0)
    loop.clock.hand = Slots([group], window), window
    return loop, group


def test_the_update_after_the_last_step_was_used_too(held: tuple[Loop, dict[str, Any]]) -> None:
    loop, _ = held
    loop.record.settle()
    right = loop.record.report(0)
    assert right is not None
    assert (right["stop"], right["crc32"]) == (3, loop.record.ledger.report(0, 3)["crc32"])  # type: ignore[index]


def test_what_that_update_used_is_compared(held: tuple[Loop, dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    loop, group = held
    before = loop.record.ledger.report(0, 3)
    group["lr"] = 7.0
    loop.record.settle()
    assert loop.record.report(0) != before
    assert "Update 2 used lr = 7.0, which is not the run's value" in caplog.text
