"""The plans that a history folds to: worked out once, from the nearest one that is kept, never from what has aged."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.control.curve import Curve, settled
from app.control.history import History
from app.errors import Invalid
from app.schedules import apply_action
from app.store import RevisionRow
from schemas.plans import Plan
from tests.app.control.test_history import row

LINEAR = Plan.model_validate(
    {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}}, "total_steps": 1000}
)


def begun(*rows: RevisionRow) -> History:
    first = RevisionRow(1, 1, 0, 0, row(1, 0, kind="create").action, LINEAR, "", "a")
    return History.of([first, *rows])


def halving(number: int, step: int) -> RevisionRow:
    return row(number, step, kind="scale", factor=0.5)


def value(curve: Curve, index: int, step: int) -> float:
    return float(curve.compiled(index).at("lr", step)[0])


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps at which actions are applied, as they are."""
    steps: list[int] = []

    def noted(plan: Plan, action: Any, step: int, **more: Any) -> Plan:
        steps.append(step)
        return apply_action(plan, action, step, **more)

    monkeypatch.setattr("app.control.curve.apply_action", noted)
    return steps


def test_a_plan_is_the_fold_of_all_that_lies_before() -> None:
    curve = Curve(begun(halving(2, 100), halving(3, 200)))
    assert [value(curve, index, 500) for index in range(3)] == [0.5, 0.25, 0.125]


def test_a_change_in_front_folds_only_what_lies_behind(applied: list[int]) -> None:
    curve = Curve(begun(*(halving(n, 100 * n) for n in range(2, 9))))
    curve.plan(7)
    assert applied == [200, 300, 400, 500, 600, 700, 800]
    applied.clear()
    later = curve.on(curve.history.adding(row(9, 650, kind="hold")))
    later.plan(8)
    assert applied == [650, 700, 800]


def test_a_revision_that_is_only_tried_is_kept_in_no_memo_but_its_own(applied: list[int]) -> None:
    curve = Curve(begun(halving(2, 100)))
    curve.plan(1)
    for one, at_500 in ((row(3, 200, kind="set", value=0.5), 0.5), (halving(3, 200), 0.125)):
        assert value(curve.trying(curve.history.adding(one)), 2, 500) == at_500
    assert applied == [100, 200, 200]
    assert list(curve.memo) == list(curve.history.keys)


def test_two_thousand_revisions_cost_as_much_as_ten(applied: list[int]) -> None:
    history = begun(*(halving(n, n) for n in range(2, 2001)))
    kept = {history.keys[1990]: LINEAR}
    asked: list[int] = []

    def find(keys: Sequence[str]) -> Mapping[str, Plan]:
        asked.append(len(keys))
        return {key: kept[key] for key in keys if key in kept}

    curve = Curve(history, {}, find)
    curve.plan(1999)
    curve.on(history.adding(row(2001, 3000, kind="hold"))).plan(2000)
    assert applied == [*range(1992, 2001), 3000]
    assert len(asked) == 2


def test_a_plan_that_is_kept_stands_whatever_the_rules_make_of_its_actions() -> None:
    """A release that changes a rule reaches what is pending, not what values were committed under."""
    history = begun(halving(2, 100), halving(3, 200))
    other = Plan.model_validate({"tracks": {"lr": {"kind": "constant", "value": 0.75}}})
    curve = Curve(history, {}, lambda keys: {key: other for key in keys if key == history.keys[1]})
    assert value(curve, 2, 500) == 0.375


def test_a_rollback_is_to_what_lies_before_it() -> None:
    curve = Curve(begun(halving(2, 100), row(3, 200, kind="hold"), row(4, 300, kind="rollback", revision=2)))
    assert value(curve, 3, 500) == 0.25
    early = Curve(begun(halving(3, 400), row(4, 300, kind="rollback", revision=3)))
    with pytest.raises(Invalid, match="takes effect at step 400"):
        early.plan(1)
    with pytest.raises(Invalid, match="not in force"):
        Curve(begun(row(4, 300, kind="rollback", revision=9))).plan(1)


def test_what_cannot_be_applied_is_left_out_and_what_rests_on_it() -> None:
    history = begun(row(2, 50, kind="resume"), halving(3, 60), row(4, 70, kind="rollback", revision=2))
    curve, dropped = settled(Curve(history), 0)
    assert [one.number for one in curve.history.rows] == [1, 3]
    assert {one.number: why for one, why in dropped} == {
        2: "nothing is held at step 50: lr run on their clocks",
        4: "revision 2, which it names, was dropped",
    }
    assert value(curve, 1, 500) == 0.25


def test_what_lies_outside_is_not_looked_at() -> None:
    history = begun(row(2, 50, kind="resume"), row(3, 90, kind="resume"))
    assert settled(Curve(history), 60, 80)[1] == []


def test_taking_a_revision_away_looks_again_at_the_one_before() -> None:
    """Its stretch is longer then: here it may not reach 60."""
    history = begun(halving(2, 50), row(3, 60, kind="resume"))

    def fits(curve: Curve, index: int) -> None:
        if curve.history.rows[index].number == 2 and curve.history.end(index, 1000) > 60:
            raise Invalid.at("", "too long")

    assert [one.number for one, _ in settled(Curve(history), 0, fits=fits)[1]] == [3, 2]
