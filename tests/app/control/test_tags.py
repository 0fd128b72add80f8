"""ETags of runs: each part changes with what it is of, and a change asks for no more than it knows."""

from typing import Any

import pytest

from app.control.tags import match, tag
from app.errors import RevisionMismatch
from schemas.runs import Run

RUN = Run.model_validate(
    {
        "run": "a",
        "uid": "u",
        "status": "active",
        "attempt": 1,
        "start_step": 0,
        "horizon": 8,
        "revision": 3,
        "plan": {"tracks": {"lr": {"kind": "constant", "value": 0.1}}},
        "total_steps": None,
        "labels": {},
        "lead_seconds": 15.0,
        "max_window": 16,
        "bounds": {},
        "unverified": [],
        "created_at": "2026-01-01T00:00:00.000Z",
    }
)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({}, [False, False, False]),
        ({"horizon": 9}, [False, False, True]),
        ({"unverified": [[0, 4]]}, [False, False, True]),
        ({"revision": 4}, [True, False, True]),
        ({"labels": {"a": "b"}}, [False, True, True]),
        ({"status": "finished"}, [False, True, True]),
        ({"lead_seconds": 1.0}, [False, True, True]),
    ],
)
def test_a_part_changes_with_what_it_is_of(change: dict[str, Any], parts: list[bool]) -> None:
    before, after = tag(RUN).split("."), tag(RUN.model_copy(update=change)).split(".")
    assert [one != other for one, other in zip(before, after, strict=True)] == parts
    assert before[0] == "3"


def test_a_change_asks_for_the_revision_and_for_the_settings_where_it_knows_them() -> None:
    match(RUN, "3")
    match(RUN, tag(RUN))
    match(RUN.model_copy(update={"horizon": 99}), tag(RUN))
    labelled = RUN.model_copy(update={"labels": {"a": "b"}})
    match(labelled, "3")
    for run, known in (
        (labelled, tag(RUN)),
        (RUN, "2"),
        (RUN, "33"),
        (RUN.model_copy(update={"revision": 4}), tag(RUN)),
    ):
        with pytest.raises(RevisionMismatch, match="look at what changed first"):
            match(run, known)
