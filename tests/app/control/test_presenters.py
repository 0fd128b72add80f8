"""What callers see of stored rows: times, pages, and where two plans differ."""

import pytest

from app.control.presenters import MOST_TRACKS, differences, iso, page


def test_a_time_is_utc_with_milliseconds() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_700_000_000.1239) == "2023-11-14T22:13:20.123Z"


@pytest.mark.parametrize(
    ("rows", "items", "cursor"), [([], [], None), ([1, 2], [10, 20], None), ([1, 2, 3], [10, 20], "2")]
)
def test_a_page_ends_at_its_limit_and_says_where_the_next_begins(
    rows: list[int], items: list[int], cursor: str | None
) -> None:
    assert page(rows, 2, lambda row: 10 * row, lambda row: row) == (items, cursor)


@pytest.mark.parametrize(("each", "items", "cursor"), [(1, 3, None), (MOST_TRACKS // 2, 2, "1"), (10**6, 1, "0")])
def test_a_page_of_plans_ends_where_they_have_too_many_tracks_together(
    each: int, items: int, cursor: str | None
) -> None:
    assert page(range(3), 3, str, lambda row: row, lambda _: each) == ([str(row) for row in range(items)], cursor)


@pytest.mark.parametrize(
    ("posted", "there", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("/a", 1, 2)]),
        ({"a": 1}, {}, [("/a", 1, None)]),
        ({}, {"head/lr": 1}, [("/head~1lr", None, 1)]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("/a/1/b", 2, 3)]),
        ({"a": [1]}, {"a": [1, 2]}, [("/a", [1], [1, 2])]),
    ],
)
def test_two_plans_differ_at_a_place_with_both_sides(posted: object, there: object, found: list[object]) -> None:
    assert [(one.pointer, one.posted, one.run) for one in differences(posted, there)] == found
