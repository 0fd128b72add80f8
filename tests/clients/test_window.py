"""Windows: what is accepted as an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.errors import Unavailable
from lockstep.window import COMMITTED, Held, Window, parse_window

GOOD: dict[str, Any] = {
    "run": "r",
    "uid": "u",
    "attempt": 2,
    "start": 10,
    "stop": 13,
    "revision": 4,
    "newest": 5,
    "horizon": 40,
    "verified_until": 7,
    "values": {"lr": [0.5, 0.25, 0.125]},
    "derived": {"head/lr": {"of": "lr", "times": 10.0}},
    "a field of a later release": 1,
}


def window(start: int, values: list[float], **changes: Any) -> Window:
    return Window("u", 1, start, start + len(values), changes.pop("revision", 1), {"lr": values}, **changes)


def test_an_answer_is_a_window_and_how_far_things_stand() -> None:
    answer = parse_window(json.loads(json.dumps(GOOD)), 10)
    assert (answer.horizon, answer.newest, answer.verified_until, answer.group) == (40, 5, 7, {})
    assert parse_window(GOOD | {"group": {"rank-1": 9}}, 10).group == {"rank-1": 9}
    assert answer.window.column("lr", 11, 13) == [0.25, 0.125]
    assert answer.window.column("head/lr", 10, 13) == [5.0, 2.5, 1.25]
    assert (answer.window.uid, answer.window.attempt, answer.window.revision) == ("u", 2, 4)


def test_windows_are_alike_where_the_same_tracks_go_to_the_same_places() -> None:
    first, head = window(0, [0.5]), {"head/lr": ("lr", 2.0)}
    assert first.alike(window(1, [0.25], revision=2))
    assert not first.alike(window(1, [0.25], derived=head))
    assert not window(0, [0.5], derived=head).alike(window(1, [0.25], derived={"head/lr": ("lr", 3.0)}))
    assert not first.alike(Window("u", 1, 1, 2, 1, {"lr": [0.25], "wd": [0.1]}))


def test_what_derives_from_a_relative_track_is_relative_too() -> None:
    document = GOOD | {"relative": ["lr"], "values": {"lr": [0.5] * 3, "wd": [0.1] * 3}}
    held = parse_window(document, 10).window
    assert [held.factors(track) for track in ("lr", "head/lr", "wd")] == [True, True, False]
    assert Window.from_json(json.loads(json.dumps(held.between(11, 12).to_json()))).relative == ("lr",)
    assert not held.alike(parse_window(document | {"relative": []}, 10).window)


@pytest.mark.parametrize(
    "change",
    [
        {"start": 11},
        {"stop": 14},
        {"stop": 9, "values": {"lr": []}},
        {"values": {}},
        {"values": {"lr": [0.5, 0.25, None]}},
        {"values": {"lr": [0.5, 0.25, True]}},
        {"values": {"lr": [0.5, 0.25, "1"]}},
        {"values": {"lr": [0.5, 0.25, -1.0]}},
        {"values": {"lr": [0.5, 0.25, float("nan")]}},
        {"values": {"lr": [0.5, 0.25, float("inf")]}},
        {"values": [0.5, 0.25, 0.125]},
        {"derived": {"head/lr": {"of": "momentum", "times": 10.0}}},
        {"derived": {"head/lr": 10.0}},
        {"attempt": "1"},
        {"attempt": True},
        {"horizon": -1},
        {"group": {"rank-1": -1}},
        {"group": [1]},
        {"uid": None, "revision": None},
    ],
)
def test_nonsense_is_no_answer(change: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        parse_window(GOOD | change, 10)


@pytest.mark.parametrize("field", ["uid", "attempt", "start", "stop", "revision", "values"])
def test_an_answer_without_a_field_is_none(field: str) -> None:
    with pytest.raises(Unavailable):
        parse_window({name: value for name, value in GOOD.items() if name != field}, 10)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20), st.data())
def test_a_part_of_a_window_has_its_values(values: list[float], data: st.DataObject) -> None:
    whole = window(5, values, derived={"x/lr": ("lr", 3.0)})
    start = data.draw(st.integers(5, 4 + len(values)))
    stop = data.draw(st.integers(start, 5 + len(values)))
    part = whole.between(start, stop)
    for track in ("lr", "x/lr"):
        assert part.column(track, start, stop) == whole.column(track, start, stop)


def test_a_window_survives_json() -> None:
    kept = window(3, [0.1, 0.2], derived={"a/lr": ("lr", 2.0)}).to_json()
    assert json.loads(json.dumps(kept)) == kept
    assert kept["reason"] == COMMITTED


def test_what_is_held_has_no_holes_and_keeps_what_older_checkpoints_need() -> None:
    held = Held(5, keep_steps=4)
    assert (held.end, held.last, held.arrive(5), held.arrive(6)) == (5, None, True, False)
    held.append(window(5, [0.5] * 3))
    held.append(window(6, [0.25] * 4))  # overtaken: only what lies beyond the end is new
    assert [(w.start, w.stop) for w in held.windows] == [(5, 8), (8, 10)]
    assert (held.end, held.arrive(4), held.arrive(8)) == (10, False, True)
    assert [w.start for w in held.past] == [5]
    assert (held.arrive(10), held.arrive(11)) == (True, False)
    held.append(window(10, [0.125] * 9))
    held.arrive(15)
    assert [w.start for w in (*held.past, *held.windows)] == [8, 10]
    held.move(3)
    assert (held.end, held.last, len(held.past)) == (3, None, 0)
