"""What a worker has really used, kept until the service has verified it, and the CRC-32 that it reports."""

import math
import sys
import threading
import zlib
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from lockstep.window import COMMITTED, Window

MISCOUNTED, UNCOUNTED, SCALED_INSIDE = "miscounted", "uncounted", "scaled-inside"  # why steps are not verified
ENDLESS = 2**53  # no step is beyond: a mark up to there holds for all that is committed

MAX_REPORT = 65_536  # steps in one report; the next one goes on from there
MAX_KEPT = 1_000_000  # steps; older ones stay unverified (nobody has asked for them for that long)


def crc32(values: Mapping[str, Sequence[float]], before: int = 0) -> int:
    """CRC-32 (zlib's) over little-endian float64, step by step, tracks sorted by name; `before` is that of the steps

    before these.

    >>> crc32({"lr": [0.5, 0.25]}) == crc32({"lr": [0.25]}, crc32({"lr": [0.5]})) == 495952133
    True
    """
    numbers = array("d", chain.from_iterable(zip(*(values[track] for track in sorted(values)), strict=True)))
    if sys.byteorder == "big":
        numbers.byteswap()
    return zlib.crc32(numbers.tobytes(), before)


class Segment(NamedTuple):
    """The steps `start` to `stop - 1` of one window, as arrays."""

    start: int
    stop: int
    committed: bool
    values: dict[str, "array[float]"]


class Sum(NamedTuple):
    """The CRC-32 of the steps `start` to `stop - 1`."""

    start: int
    stop: int
    crc32: int


class Ledger:
    """The values a worker uses, in order, without holes. Written by the training thread, read by the background one.

    `take` notes a window when its first value is about to be used, `replace` one value that was not the window's
    (another scheduler overwrote it), `report` sums up what is not verified yet.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segments: deque[Segment] = deque()
        self._kept = 0
        self._sum = Sum(0, 0, 0)

    def take(self, window: Window, step: int) -> None:
        """From `step` on `window` is used. A step that does not follow the last one starts a new record."""
        values = {track: array("d", column[step - window.start :]) for track, column in window.values.items()}
        with self._lock:
            if self._segments and self._segments[-1].stop != step:
                self._segments.clear()
                self._kept, self._sum = 0, Sum(0, 0, 0)
            self._segments.append(Segment(step, window.stop, window.reason == COMMITTED, values))
            self._kept += window.stop - step
            while self._kept > MAX_KEPT and len(self._segments) > 1:
                self._forget()

    def replace(self, step: int, track: str, value: float) -> None:
        """At `step` the optimizer used `value`, not the one handed out."""
        with self._lock:
            for segment in self._segments:
                if segment.start <= step < segment.stop and track in segment.values:
                    segment.values[track][step - segment.start] = value
                    self._sum = Sum(0, 0, 0)

    def report(self, start: int, at: int) -> dict[str, Any] | None:
        """`{"start", "stop", "tracks", "crc32"}` of the used steps from `start` up to `at`; None if there are none.

        It ends at the border between committed values and a fallback, where the tracks change, and after `MAX_REPORT`
        steps. Everything below `start` is verified and forgotten. What is not acknowledged is reported again and again,
        so a checksum is carried on from the last one: a report costs what was used since, not what is outstanding.
        """
        with self._lock:
            while self._segments and self._segments[0].stop <= start:
                self._forget()
            if not self._segments:
                return None
            first = self._segments[0]
            start = max(start, first.start)
            stop = min(at, start + MAX_REPORT)
            tracks = sorted(first.values)
            if self._sum.start != start or self._sum.stop > stop:
                self._sum = Sum(start, start, 0)
            for segment in self._segments:
                if segment.committed != first.committed or sorted(segment.values) != tracks or segment.start >= stop:
                    break
                if (high := min(stop, segment.stop)) > (low := self._sum.stop):
                    part = slice(low - segment.start, high - segment.start)
                    values = {track: segment.values[track][part] for track in tracks}
                    self._sum = Sum(start, high, crc32(values, self._sum.crc32))
            end, crc = self._sum.stop, self._sum.crc32
        return {"start": start, "stop": end, "tracks": tracks, "crc32": crc} if end > start else None

    def _forget(self) -> None:
        segment = self._segments.popleft()
        self._kept -= segment.stop - segment.start


class Counter(Protocol):
    """Where an adapter's loop is. It must not hold the adapter: it is asked when nobody holds that any more."""

    def position(self) -> int:
        """The step that is running now."""

    def beyond(self) -> bool:
        """Whether updates were made beyond it: a loop that forgets to step is further than it says."""

    def settle(self, record: "Record") -> int:
        """Nothing more can change: note what the last updates used; the end of the steps that they were for."""


class Record:
    """Where a worker is and what it has used; the one thing that the training and the background thread share."""

    def __init__(self) -> None:
        self.step = 0
        self.checked = 0  # what was used below this step is known, overwritten values included
        self.handed = False  # somebody asked for the value of `step`
        self.trusted = False  # whoever asks for a value uses it: nobody else can tell
        self.counter: Counter | None = None  # an adapter's own count, while the training goes on
        self.beyond = False  # whether updates were made beyond `step`, when it is over
        self.ledger = Ledger()
        self.marks: dict[str, int] = {}  # by reason, the first step that must not be called verified
        self.astray: int | None = None  # the first step at which the optimizer used another value

    def begin(self, step: int) -> None:
        """Nothing was used yet, and `step` comes next."""
        self.ledger, self.marks, self.astray = Ledger(), {}, None
        self.step = self.checked = step
        self.handed = self.beyond = False

    def position(self) -> int:
        """The step that is running now."""
        if self.counter is not None:
            self.step = self.counter.position()
        return self.step

    def stand(self) -> None:
        """Stay at the step that is running now, whatever the counter says from here on."""
        self.position()
        self.counter = None

    def settle(self) -> None:
        """The training is over: it ends at the step after the last one that was used, which nothing can change now."""
        counter, self.counter = self.counter, None
        if counter is not None:
            self.beyond, self.step = counter.beyond(), counter.settle(self)
        elif self.trusted and self.handed:
            self.step += 1
        self.checked, self.handed = self.step, False

    def used(self, window: Window, step: int, track: str, value: float) -> None:
        """Update `step` used another value than the window's; a derived track has no column, so its base is off."""
        derived = window.derived.get(track)
        self.astray = step if self.astray is None else self.astray
        self.ledger.replace(step, derived[0] if derived else track, math.nan if derived else value)

    def mark(self, step: int, reason: str) -> None:
        """Do not call the steps from this one on verified, whatever values they used."""
        self.marks = {reason: step, **self.marks}

    def doubts(self) -> dict[str, int]:
        """By reason, the first step that is not verified though it was reported."""
        return self.marks | ({} if self.astray is None else {"mismatch": self.astray})

    def report(self, verified_until: int) -> dict[str, Any] | None:
        """What was used and is not verified yet, with the marks on it: `{"start", "stop", "reason"}`."""
        applied = self.ledger.report(verified_until, self.checked)
        if applied is not None and self.marks:
            beyond = self.beyond if self.counter is None else self.counter.beyond()
            start, stop = applied["start"], ENDLESS if beyond else applied["stop"]
            spans = [(max(start, first), reason) for reason, first in self.marks.items()]
            applied["marks"] = [{"start": low, "stop": stop, "reason": why} for low, why in spans if low < stop]
        return applied
