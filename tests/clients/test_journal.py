"""What a job says in its log: where it has joined, every switch and why, outages, and what of it is verified."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from lockstep import Follower
from lockstep.errors import NoValue
from lockstep.journal import WAITING_SECONDS, Journal, audible, joined, switched
from lockstep.testing import FakeService
from lockstep.window import Window
from tests.clients.waiting import until

RUN, URL = "digits", "http://here"


def window(
    start: int, revision: int = 1, reason: str = "committed", columns: dict[str, list[float]] | None = None
) -> Window:
    values = columns or {"lr": [0.08] * 8}
    return Window("u", 1, start, start + len(next(iter(values.values()))), revision, values, {}, reason)


def revision(number: int, step: int, **more: Any) -> dict[str, Any]:
    made = {"number": number, "from_step": step, "action": {"kind": "scale", "factor": 0.5}, "author": "ann"}
    return {**made, "reason": "", **more}


def lines(journal: Journal) -> list[str]:
    return [note.text(()) for note in journal.notes]


@pytest.fixture
def journal() -> Journal:
    return Journal(RUN, URL)


def test_a_switch_says_the_values_the_revision_who_made_it_and_why() -> None:
    before, after = window(134), window(142, 2, columns={"lr": [0.04, 0.03]})
    known = [revision(2, 142, reason="the loss is noisy"), revision(3, 150)]
    assert switched(before, after, 142, known) == "step 142: lr 0.08 -> 0.04, revision 2 by ann, the loss is noisy"
    assert switched(before, after, 143, ()) == "step 143: lr 0.08 -> 0.03, revision 2"


def test_a_switch_is_one_short_line_whatever_was_sent() -> None:
    groups = [f"group{index}/lr" for index in range(10)]
    before = window(0, columns={"lr": [1.0]} | {group: [1.0] for group in groups})
    after = window(1, 2, columns={"lr": [1.0]} | {group: [2.0] for group in groups})
    line = switched(before, after, 1, [revision(2, 1, reason="a\nb\r\n" + "c" * 9_000)])
    values = ", ".join(f"{group} 1 -> 2" for group in groups[:4])
    assert line.startswith(f"step 1: {values}, and 6 more, revision 2 by ann, a b ccc")
    assert "\n" not in line
    assert line.endswith("ccc...")
    assert len(line) < 400


def test_a_change_that_begins_with_the_same_value_shows_it() -> None:
    assert switched(window(0), window(8, 2), 8, ()) == "step 8: lr 0.08, revision 2"


def test_a_run_that_was_changed_before_is_told_in_one_line() -> None:
    first = {"number": 1, "from_step": 0, "action": {"kind": "create"}, "author": "bob"}
    alone = f"Joined run {RUN} at {URL}: attempt 1, step 0, revision 1 by bob."
    assert joined(RUN, URL, window(0), 0, [first]) == alone
    history = [first, revision(2, 142, reason="noisy"), revision(3, 150, cancelled_by=4), revision(5, 9, dropped_in=2)]
    change = "step 142: scale factor 0.5, revision 2 by ann, noisy"
    assert joined(RUN, URL, window(0), 0, history) == f"{alone} It has a history, which it follows: {change}."
    many = [first, *(revision(number, number) for number in range(2, 100))]
    line = joined(RUN, URL, window(0), 0, many)
    assert "93 changes; step 95: scale factor 0.5, revision 95 by ann; " in line
    assert line.count("scale") == 5


def test_a_note_is_made_once_for_a_switch_and_none_for_a_window_that_goes_on(journal: Journal) -> None:
    for start, number in ((0, 1), (8, 1), (16, 2), (24, 2), (32, 1)):
        journal.used(window(start, number), start)
    asked = [note.revision for note in journal.notes]
    assert [line.split(":")[0] for line in lines(journal)] == [f"Joined run {RUN} at http", "step 16", "step 32"]
    assert asked == [1, 2, 1]  # the revisions from these numbers on are what the lines are made of


def test_what_comes_after_a_move_is_joined_and_no_switch(journal: Journal) -> None:
    journal.used(window(0), 0)
    journal.moved()
    journal.used(window(100, 3), 103)
    assert "step 103, revision 3" in lines(journal)[1]


def test_what_stands_in_for_an_outage_asks_the_service_nothing(journal: Journal) -> None:
    journal.used(window(0), 0)
    journal.used(window(8, 2, "follow"), 8)
    assert [note.revision for note in journal.notes] == [1, 0]


def test_a_wait_is_a_line_every_few_seconds(journal: Journal) -> None:
    for second in range(13):
        journal.waits(7, 100.0 + second, float(second), 60.0, "nothing listens.")
    assert WAITING_SECONDS == 5
    assert lines(journal) == [
        f"Waiting for the values of run {RUN} at step 7, for {second} s of at most 60 s: nothing listens."
        for second in (0, 5, 10)
    ]
    assert {note.level for note in journal.notes} == {logging.WARNING}


@pytest.mark.parametrize(
    ("begun", "step", "reported", "doubts", "said"),
    [
        (0, 120, 120, {}, "steps 0 to 119 are verified."),
        (0, 120, 128, {}, "steps 0 to 119 are verified."),
        (50, 120, 100, {}, "steps 50 to 99 are verified; from 100 to 119 they are not."),
        (50, 120, 0, {}, "no step is verified; from 50 to 119 they are not."),
        (50, 50, 50, {}, "no step is verified."),
        (0, 120, 120, {"miscounted": 30}, "steps 0 to 29 are verified; from 30 to 119 not all are (miscounted)."),
        (
            50,
            120,
            120,
            {"miscounted": 70, "mismatch": 50},
            "no step is verified; from 50 to 119 not all are (miscounted, mismatch).",
        ),
    ],
)
def test_a_goodbye_says_what_is_verified(
    journal: Journal, begun: int, step: int, reported: int, doubts: dict[str, int], said: str
) -> None:
    journal.used(window(begun, columns={"lr": [1.0] * 100}), begun)
    journal.left(step, reported, doubts)
    assert lines(journal)[-1] == f"Left run {RUN} at step {step}: {said}"


class TestAJob:
    """With a service: the lines of a job, in order, none of them written by the training's thread."""

    @pytest.fixture(autouse=True)
    def heard(self, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
        with caplog.at_level(logging.INFO, "lockstep"):
            yield caplog

    def train(self, service: FakeService, steps: int, at: dict[int, Any], **options: Any) -> None:
        with Follower(RUN, {"tracks": {}}, transport=service.transport, **options) as follower:
            for step in range(steps):
                follower.value(step)
                at.get(step, int)()

    def test_its_lines(self, heard: pytest.LogCaptureFixture) -> None:
        service = FakeService(0.08, lead=16)
        run = service.create(RUN, {"tracks": {}})

        def change() -> None:
            run.revise({"kind": "scale", "factor": 0.5}, 20, "the loss is noisy")

        self.train(service, 41, {3: lambda: until(lambda: "Joined" in heard.text), 4: change})
        assert [record.message for record in heard.records] == [
            f"Joined run {RUN} at http://lockstep.invalid: attempt 1, step 0, revision 1.",
            "step 20: lr 0.08 -> 0.04, revision 2 by test, the loss is noisy",
            f"Left run {RUN} at step 41: steps 0 to 40 are verified.",
        ]
        assert {record.threadName for record in heard.records} == {f"lockstep-{RUN}"}
        heard.clear()
        self.train(service, 11, {})
        assert heard.records[0].message == (
            f"Joined run {RUN} at http://lockstep.invalid: attempt 1, step 0, revision 1. It has a history, which it "
            "follows: step 20: scale factor 0.5, revision 2 by test, the loss is noisy."
        )

    def test_an_outage_has_a_beginning_and_an_end(self, heard: pytest.LogCaptureFixture) -> None:
        service = FakeService(0.08, lead=16)

        def goes() -> None:
            service.down = True

        def comes() -> None:
            until(lambda: "going on by policy 'freeze'" in heard.text)
            service.down = False
            until(lambda: "The service is back" in heard.text)

        self.train(service, 61, {4: goes, 50: comes}, policy="freeze")
        alone, back = (r.message for r in heard.records if r.levelno == logging.WARNING or "back" in r.message)
        assert alone.startswith(f"No committed value of run {RUN} from step 16 on (http://lockstep.invalid cannot be ")
        assert back.startswith("The service is back: steps 16 to ")
        assert {record.threadName for record in heard.records} == {f"lockstep-{RUN}"}

    def test_only_the_first_rank_says_what_is_the_same_for_all(
        self, heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RANK", "1")
        service = FakeService(0.08, lead=16)
        self.train(service, 41, {})
        assert not heard.records
        assert not [path for method, path, _ in service.requests if path.endswith("/revisions")]

    def test_a_start_without_the_service_says_so_until_it_fails_without_a_chain(
        self, heard: pytest.LogCaptureFixture
    ) -> None:
        service = FakeService(0.08)
        service.down = True
        with pytest.raises(NoValue, match="nothing listens") as caught:
            Follower(RUN, {"tracks": {}}, transport=service.transport, start_seconds=0.5)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        said = [(record.levelno, record.message) for record in heard.records]
        assert said[0][0] == logging.WARNING
        assert said[0][1].startswith(f"Waiting for the values of run {RUN} at step 0, for 0 s of at most 0 s")
        assert (logging.ERROR, str(caught.value)) in said


def test_the_log_is_seen_where_nobody_has_set_one_up(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, root, stream = logging.Logger("lockstep"), logging.Logger("root", logging.WARNING), io.StringIO()
    monkeypatch.setattr("lockstep.journal.logger", quiet)
    monkeypatch.setattr("lockstep.journal.logging.getLogger", lambda: root)
    monkeypatch.setattr("sys.stderr", stream)
    audible()
    audible()
    quiet.info("one line")
    assert stream.getvalue() == "Lockstep: one line\n"
    root.addHandler(logging.NullHandler())
    quiet.info("it has a place of its own now")
    assert stream.getvalue() == "Lockstep: one line\n"
