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
                self.clock.made[0] += 1
                continue
            if self.clock.made != self.clock.due:
                self.clock.parted(self.record, "r")
            self.clock.made[:] = self.clock.none
            next(self.clock.place[1])
        return self

    def marks(self) -> list[tuple[int, int | None]]:
        """Start and stop of what is miscounted; None where it goes on."""
        assert {mark.reason for mark in self.record.marks} <= {MISCOUNTED}
        return [(mark.start, mark.stop if mark.stop < 2**53 else None) for mark in self.record.marks]


@pytest.mark.parametrize(
    ("per_step", "word", "marks", "ahead"),
    [
        (None, "us" * 20, [], 0),
        (None, "su" * 20, [(0, None)], 0),
        (None, ("u" * 10 + "s") * 4, [(1, None)], 36),
        (None, "uss" * 5, [(1, None)], 0),
        (None, "us" * 5 + "u" * 8 + "us" * 5, [(6, None)], 8),
        (None, "us" * 5 + "s" * 8 + "us" * 5, [(5, None)], 0),
        (None, "us" + "uuss" + "us" * 3, [(2, 3)], 0),
        (3, "uuus" * 5, [], 0),
        (3, "uuus" + "uus" + "uuus" * 3, [(1, None)], 0),
        (ANY, "us" + "uuus" + "s" + "uus", [], 0),
    ],
    ids=[
        "right",
        "before",
        "per epoch",
        "twice",
        "no step()",
        "no update",
        "met again",
        "three",
        "two of three",
        "any",
    ],
)
def test_the_steps_that_are_not_one_update_each(
    per_step: int | str | None, word: str, marks: list[tuple[int, int | None]], ahead: int
) -> None:
    loop = Loop(per_step).run(word)
    assert loop.marks() == marks
    assert loop.clock.ahead() == ahead
    assert loop.clock.position() == word.count("s")


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
    assert (loop.marks(), loop.clock.ahead()) == ([(1, None)], 1)
    assert caplog.text.count("miscounted from step 1 on") == 1


def test_a_move_forgets_the_updates_before_it() -> None:
    loop = Loop().run("suu")
    loop.clock.go_to(30)
    assert (loop.clock.position(), loop.clock.made, loop.clock.ahead()) == (30, [0], 0)


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
