"""The ranks' reports: kept until they are stored, each rank's for itself."""

from typing import Any

from lockstep.mailbox import Mailbox


def report(worker: str, start: int, stop: int) -> dict[str, Any]:
    return {"worker": worker, "at": stop, "applied": {"start": start, "stop": stop, "tracks": ["lr"], "crc32": 1}}


def test_a_report_is_told_until_the_service_has_stored_it() -> None:
    box = Mailbox()
    box.gathered({"rank-1": report("rank-1", 0, 100)})
    for stored in (0, 60):
        group = box.group()
        assert group == [report("rank-1", 0, 100)]
        box.answered(group, {"rank-1": stored})
        assert box.acknowledged() == {"rank-1": stored}
    box.answered(box.group(), {"rank-1": 100})
    assert box.group() == [report("rank-1", 0, 100) | {"applied": None}]
    assert box.acknowledged() == {"rank-1": 100}


def test_what_one_rank_reported_acknowledges_nothing_of_another() -> None:
    """The ranks had one number together: one that had nothing to report yet never reported these steps."""
    box = Mailbox()
    box.gathered({"rank-1": report("rank-1", 0, 100), "rank-2": {"worker": "rank-2", "at": 100, "applied": None}})
    box.answered(box.group(), {"rank-1": 100, "rank-2": 0})
    assert box.acknowledged() == {"rank-1": 100, "rank-2": 0}


def test_an_answer_is_for_the_report_that_was_told_not_for_the_one_that_came_since() -> None:
    box = Mailbox()
    box.gathered({"rank-1": report("rank-1", 0, 100)})
    told = box.group()
    box.gathered({"rank-1": report("rank-1", 0, 200)})
    box.answered(told, {"rank-1": 100})
    assert box.group() == [report("rank-1", 0, 200)]
    assert box.acknowledged() == {"rank-1": 100}


def test_an_answer_that_names_nobody_acknowledges_nobody() -> None:
    box = Mailbox()
    box.gathered({"rank-1": report("rank-1", 0, 100)})
    box.answered(box.group(), {})
    assert (box.group(), box.acknowledged()) == ([report("rank-1", 0, 100)], {})
