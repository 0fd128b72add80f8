"""What was used, and its CRC-32."""

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lockstep.report
from lockstep.outage import FREEZE
from lockstep.report import MISCOUNTED, SCALED_INSIDE, UNCOUNTED, Ledger, Record, crc32
from lockstep.window import Window


def window(start: int, stop: int, *, reason: str = "committed", tracks: tuple[str, ...] = ("lr",)) -> Window:
    values = {track: [step + index / 8 for step in range(start, stop)] for index, track in enumerate(tracks)}
    return Window("u", 1, start, stop, 1, values, {}, reason)


def expected(start: int, stop: int, tracks: int = 1) -> int:
    numbers = [step + index / 8 for step in range(start, stop) for index in range(tracks)]
    return zlib.crc32(struct.pack(f"<{len(numbers)}d", *numbers))


@given(st.lists(st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)), max_size=30))
def test_the_crc_runs_step_by_step_over_the_tracks_by_name(pairs: list[tuple[float, float]]) -> None:
    packed = b"".join(struct.pack("<dd", a, b) for a, b in pairs)
    assert crc32({"momentum": [b for _, b in pairs], "lr": [a for a, _ in pairs]}) == zlib.crc32(packed)


def test_a_report_ends_at_the_running_step() -> None:
    ledger = Ledger()
    ledger.take(window(0, 10, tracks=("lr", "momentum")), 0)
    report = ledger.report(0, 7)
    assert report == {"start": 0, "stop": 7, "tracks": ["lr", "momentum"], "crc32": expected(0, 7, 2)}


def test_a_report_goes_over_windows_and_starts_where_the_service_says() -> None:
    ledger = Ledger()
    for start in (0, 10, 20):
        ledger.take(window(start, start + 10), start)
    assert ledger.report(8, 25) == {"start": 8, "stop": 25, "tracks": ["lr"], "crc32": expected(8, 25)}


def test_a_lost_report_is_made_again_and_a_verified_one_is_forgotten() -> None:
    ledger = Ledger()
    ledger.take(window(0, 10), 0)
    ledger.take(window(10, 20), 10)
    first = ledger.report(0, 15)
    assert ledger.report(0, 15) == first
    assert ledger.report(15, 15) is None
    assert ledger.report(0, 15) == {"start": 10, "stop": 15, "tracks": ["lr"], "crc32": expected(10, 15)}


def test_a_report_never_spans_the_border_to_a_fallback() -> None:
    ledger = Ledger()
    ledger.take(window(0, 10), 0)
    ledger.take(window(10, 20, reason=FREEZE), 10)
    ledger.take(window(20, 30), 20)
    spans = []
    start = 0
    while report := ledger.report(start, 27):
        spans.append((report["start"], report["stop"]))
        start = report["stop"]
    assert spans == [(0, 10), (10, 20), (20, 27)]


def test_a_report_ends_where_the_tracks_change() -> None:
    ledger = Ledger()
    ledger.take(window(0, 10), 0)
    ledger.take(window(10, 20, tracks=("lr", "momentum")), 10)
    first, second = ledger.report(0, 20), ledger.report(10, 20)
    assert first is not None
    assert (first["stop"], first["tracks"]) == (10, ["lr"])
    assert second == {"start": 10, "stop": 20, "tracks": ["lr", "momentum"], "crc32": expected(10, 20, 2)}


def test_an_overwritten_value_is_reported_as_it_was() -> None:
    ledger = Ledger()
    ledger.take(window(0, 4), 0)
    ledger.replace(2, "lr", 99.0)
    ledger.replace(2, "a track that is not there", 1.0)
    ledger.replace(400, "lr", 1.0)
    report = ledger.report(0, 4)
    assert report is not None
    assert report["crc32"] == zlib.crc32(struct.pack("<4d", 0.0, 1.0, 99.0, 3.0))


def test_a_jump_starts_a_new_record() -> None:
    ledger = Ledger()
    ledger.take(window(0, 10), 0)
    ledger.take(window(0, 10), 5)
    assert ledger.report(0, 8) == {"start": 5, "stop": 8, "tracks": ["lr"], "crc32": expected(5, 8)}


def test_a_report_that_is_not_acknowledged_costs_what_is_new_and_not_what_is_outstanding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    summed: list[int] = []
    whole = lockstep.report.crc32

    def counting(values: dict[str, list[float]], before: int = 0) -> int:
        summed.append(len(values["lr"]))
        return whole(values, before)

    monkeypatch.setattr(lockstep.report, "crc32", counting)
    ledger = Ledger()
    for start in range(0, 1000, 10):
        ledger.take(window(start, start + 10), start)
        for at in (start + 4, start + 10, start + 10):
            assert ledger.report(0, at) == {"start": 0, "stop": at, "tracks": ["lr"], "crc32": expected(0, at)}
    assert sum(summed) == 1000
    ledger.replace(500, "lr", 500.0)
    assert ledger.report(0, 1000) == {"start": 0, "stop": 1000, "tracks": ["lr"], "crc32": expected(0, 1000)}


@given(
    st.lists(st.tuples(st.sampled_from(["use", "replace", "report", "acknowledge"]), st.integers(1, 9)), max_size=40)
)
def test_whatever_was_asked_for_before_a_report_is_that_of_what_was_used(moves: list[tuple[str, int]]) -> None:
    ledger, used, acknowledged = Ledger(), list[float](), 0
    for move, size in moves:
        if move == "use":
            start, reason = len(used), FREEZE if size % 3 == 0 else "committed"
            ledger.take(window(start, start + size, reason=reason), start)
            used += [float(step) for step in range(start, start + size)]
        elif move == "replace" and len(used) - size >= acknowledged:
            ledger.replace(len(used) - size, "lr", -1.0)
            used[-size] = -1.0
        elif move == "acknowledge":
            acknowledged = min(acknowledged + size, len(used))
        if (report := ledger.report(acknowledged, len(used) - size % 2)) is not None:
            part = used[report["start"] : report["stop"]]
            assert (report["start"], report["crc32"]) == (
                acknowledged,
                zlib.crc32(struct.pack(f"<{len(part)}d", *part)),
            )
            assert part


def test_reports_and_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep.report, "MAX_REPORT", 6)
    monkeypatch.setattr(lockstep.report, "MAX_KEPT", 20)
    ledger = Ledger()
    for start in range(0, 100, 10):
        ledger.take(window(start, start + 10), start)
    assert ledger.report(0, 100) == {"start": 80, "stop": 86, "tracks": ["lr"], "crc32": expected(80, 86)}


class Stands:
    """A loop's own count, of an update too many."""

    def position(self) -> int:
        return 6

    def beyond(self) -> bool:
        return True

    def settle(self, record: Record) -> int:
        return 7


def test_what_was_handed_out_last_is_used_when_the_training_is_over() -> None:
    record = Record()
    record.begin(3)
    record.settle()
    assert record.checked == 3
    record.step, record.handed = 8, True
    record.settle()
    assert record.checked == 8  # an adapter's: it tells itself what was used
    record.handed = record.trusted = True
    record.settle()
    assert (record.position(), record.checked) == (9, 9)
    record.counter = Stands()
    record.settle()
    assert (record.position(), record.checked, record.beyond) == (7, 7, True)


def test_who_goes_elsewhere_stood_where_the_counter_said() -> None:
    record = Record()
    record.begin(0)
    record.counter = Stands()
    record.stand()
    assert record.position() == 6
    assert vars(record)["counter"] is None


def test_marks_go_with_the_report_of_their_steps_and_beyond_where_updates_do() -> None:
    record = Record()
    record.begin(0)
    record.ledger.take(window(0, 10), 0)
    record.checked = 4
    assert "marks" not in (record.report(0) or {})
    record.mark(2, MISCOUNTED)
    record.mark(3, MISCOUNTED)
    record.mark(0, UNCOUNTED)
    record.mark(7, SCALED_INSIDE)
    marks = [{"start": 0, "stop": 4, "reason": "uncounted"}, {"start": 2, "stop": 4, "reason": "miscounted"}]
    assert sorted((record.report(0) or {})["marks"], key=lambda mark: int(mark["start"])) == marks
    record.counter = Stands()
    assert {"start": 2, "stop": 2**53, "reason": "miscounted"} in (record.report(1) or {})["marks"]
    record.begin(0)
    record.ledger.take(window(0, 10), 0)
    record.checked = 10
    assert "marks" not in (record.report(0) or {})


def test_what_is_reported_and_not_verified_even_so_has_its_reasons() -> None:
    record = Record()
    record.begin(0)
    taken = window(0, 10)
    record.ledger.take(taken, 0)
    assert record.doubts() == {}
    record.used(taken, 4, "lr", 9.0)
    record.used(taken, 6, "lr", 9.0)
    record.mark(7, MISCOUNTED)
    assert record.doubts() == {"mismatch": 4, "miscounted": 7}
    record.begin(10)
    assert record.doubts() == {}


def test_a_value_that_a_derived_track_did_not_have_takes_its_base_off() -> None:
    record = Record()
    record.begin(0)
    record.ledger.take(window(0, 4), 0)
    record.checked = 4
    record.used(replace(window(0, 4), derived={"head/lr": ("lr", 2.0)}), 1, "head/lr", 9.0)
    report = record.report(0)
    assert report is not None
    assert report["crc32"] != expected(0, 4)
