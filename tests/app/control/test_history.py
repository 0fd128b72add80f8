"""Which revisions hold in an attempt, in which order, and under which keys (rule R1)."""

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from app.control.history import History, carried, dropped_by, history_of, rests_on
from app.store import RevisionRow
from schemas.actions import StoredAction

ACTION: TypeAdapter[StoredAction] = TypeAdapter(StoredAction)


def row(number: int, from_step: int, posted: int | None = None, attempt: int = 1, **action: Any) -> RevisionRow:
    made = ACTION.validate_python(action or {"kind": "hold"})
    return RevisionRow(number, attempt, from_step, from_step if posted is None else posted, made, None, "", "a")


def numbers(history: History) -> list[int]:
    return [one.number for one in history.rows]


def test_order_is_by_step_then_by_the_step_posted_for_then_by_number() -> None:
    rows = [row(1, 0), row(2, 200, 120), row(3, 200, 110), row(4, 50), row(5, 200, 110)]
    assert numbers(History.of(rows)) == [1, 4, 3, 5, 2]


def test_an_attempt_has_what_was_posted_up_to_it_and_neither_dropped_nor_cancelled() -> None:
    rows = [
        row(1, 0),
        row(2, 50),
        replace(row(3, 60), dropped_in=2),
        row(4, 70, attempt=2),
        replace(row(5, 10, attempt=2, kind="cancel", revision=2), dropped_in=3),
    ]
    assert numbers(history_of(rows, 1)) == [1, 2, 3]
    assert numbers(history_of(rows, 2)) == [1, 5, 4]
    assert numbers(history_of(rows, 3)) == [1, 2, 4]  # the cancel was dropped
    assert numbers(history_of(rows, 2, newest=4)) == [1, 2, 4]


def test_a_rewind_drops_what_begins_later_and_leaves_cancelled_what_a_cancel_that_stays_took_back() -> None:
    rows = [
        row(1, 0),
        row(2, 90),
        row(3, 20, kind="cancel", revision=2),
        row(4, 90),
        row(5, 45),
        row(6, 60, 40, kind="cancel", revision=4),
        row(7, 70, 40, kind="cancel", revision=5),
        replace(row(8, 80), dropped_in=1),
    ]
    assert [one.number for one in dropped_by(rows, 50)] == [4, 6, 7]
    assert [one.number for one in dropped_by(rows, 19)] == [2, 3, 4, 5, 6, 7]
    for to_step in (19, 50):
        numbers_dropped = {one.number for one in dropped_by(rows, to_step)}
        after = [replace(one, dropped_in=2) if one.number in numbers_dropped else one for one in rows]
        assert history_of(after, 2) == history_of([one for one in rows if one.from_step <= to_step], 1)


def test_pieces_are_the_stretches_on_which_one_revision_is_in_force() -> None:
    history = History.of([row(1, 5), row(2, 20), row(3, 20), row(4, 30)])
    assert list(history.pieces(5, 40)) == [(0, 5, 20), (2, 20, 30), (3, 30, 40)]
    assert list(history.pieces(22, 25)) == [(2, 22, 25)]
    assert list(history.pieces(8, 8)) == []
    assert [history.at(step) for step in (5, 19, 20, 99)] == [0, 0, 2, 3]
    assert [history.first(step) for step in (5, 20, 21, 31)] == [0, 1, 3, 4]


def test_a_key_says_what_a_history_begins_with_and_no_more() -> None:
    history = History.of([row(1, 0), row(2, 20), row(3, 30)])
    later = history.adding(row(4, 25))
    assert later.keys[:2] == history.keys[:2]
    assert not set(later.keys[2:]) & set(history.keys)
    assert history.moving([3], 40).keys[2] != history.keys[2]
    assert history.without(3).keys == history.keys[:2]


def test_a_cancel_takes_the_revision_away_that_it_names() -> None:
    history = History.of([row(1, 0), row(2, 20)]).adding(row(3, 8, kind="cancel", revision=2))
    assert numbers(history) == [1, 3]


def test_a_rewind_carries_its_own_action_and_rests_on_what_that_names() -> None:
    back = ACTION.validate_python({"kind": "rewind", "to_step": 4, "action": {"kind": "rollback", "revision": 2}})
    assert rests_on(back) == 2
    assert rests_on(ACTION.validate_python({"kind": "hold"})) is None
    assert carried(ACTION.validate_python({"kind": "rewind", "to_step": 4})) is None
