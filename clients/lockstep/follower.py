"""`Follower`: the values of a run, step by step, for any training loop. Knows no framework."""

import time
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, Self, Unpack

from lockstep import lifetime
from lockstep.beginning import Beginning, Options
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.place import Place
from lockstep.report import Record
from lockstep.window import Window

REPLACED = (
    "Another scheduler of this process follows run {run} as {worker} by now, and one worker has one step. One "
    "scheduler follows several optimizers: LockstepLR({{'a': one, 'b': two}}). Or give each a run of its own."
)
VISIT_SECONDS = 0.005  # the slow path of a look-up (some microseconds) runs at most this often
LEAST_CHUNK, MAX_CHUNK = 16, 1024  # steps from one to the next: also where steps are long it costs next to nothing


class Reading(NamedTuple):
    """A value, and where it comes from: `committed`, or an outage's `follow` or `freeze`; and its revision."""

    value: float
    reason: str
    revision: int


class Source(lifetime.Source, Protocol):
    """Where a follower's windows come from: a `Feed`, or rank 0's through a `Group`. Paces are in seconds a step."""

    @property
    def trigger(self) -> int: ...
    def start(self, record: Record, place: Place, at: int, attempt: int | None = None) -> None: ...
    def take(self, step: int, pace: float | None) -> Window: ...
    def reached(self, pace: float | None) -> None: ...
    def place(self) -> Place: ...


class Follower:
    """The values that a run commits, for one worker.

        with Follower("my-run", plan, url="http://lockstep:8000") as follower:
            for step in range(1000):
                rate = follower.value(step).value

    `plan` creates the run if it is not there (None: it must be). The look-up is local; a background thread fetches
    windows ahead of it. `policy` says what happens beyond the window in hand while the service is away: `follow` the
    planned values last heard of, `freeze` the last value, `wait` at most `wait_seconds` and then raise, or `raise`. At
    the start it waits at most `start_seconds` for the first window, unless `cache_dir` has one from an earlier life or
    `resume`, what `state` gave for a checkpoint, holds it. Without either it begins at `step`, or where the run does.
    One training thread per follower. All `options`: `lockstep.beginning.Options`.

    Raises `NoValue` (by policy), a final `Refused` such as `AttemptSuperseded`, and `Misused`.
    """

    def __init__(
        self,
        run: str | None = None,
        plan: Document | None = None,
        *,
        step: int | None = None,
        resume: Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        beginning = Beginning(run, plan, **options)
        self.run, self.worker = beginning.run, beginning.worker
        place = Place(self.run, beginning.start_step) if resume is None else Place.from_json(resume, self.run)
        record = Record()
        record.trusted = True
        self._open(beginning.feed(), record)
        try:
            self.go_to(place.step if step is None else step, place)
        except BaseException:
            self.close()
            raise

    @classmethod
    def over(cls, source: Source, run: str, worker: str, who: Hashable = None) -> "Follower":
        """A follower whose windows come from `source`; it goes nowhere before `go_to`. For adapters.

        What this process has open as the same `who` ends: one worker has one step.
        """
        follower = cls.__new__(cls)
        follower.run, follower.worker = run, worker
        follower._open(source, Record(), who)
        return follower

    def _open(self, source: Source, record: Record, who: Hashable = None) -> None:
        self.source, self.record = source, record
        self._window: Window | None = None
        self._columns: dict[str, list[float]] = {}
        self._first = self._count = 0
        self._reason, self._revision = "", 0
        self._pace: deque[float] = deque(maxlen=20)
        self._visited: tuple[int, float] | None = None
        self.closed = False
        lifetime.opened(source, self, who)

    # Values

    def value(self, step: int, track: str = "lr") -> Reading:
        """The value of `track` (a base or a derived one) that update number `step` uses."""
        self.record.step = step
        index = step - self._first
        if not 0 <= index < self._count:
            self.visit(step)
            self.record.handed = True
            index = 0
        column = self._columns.get(track)
        if column is None:
            column = self._column(track)
        return Reading(column[index], self._reason, self._revision)

    def visit(self, step: int) -> tuple[Window, int]:
        """The window that holds `step`, and the step before which `visit` is to be called again.

        Until then look-ups need no clock and no lock: the border lies at the window's end, where the next request is
        due, or some milliseconds (a few steps, where those are longer) ahead, whichever comes first.
        """
        if lifetime.replaced(self.source):
            raise Misused(REPLACED.format(run=self.run, worker=self.worker))
        self.record.checked = step
        now = time.monotonic()
        if self._visited is not None and (made := step - self._visited[0]) > 0:
            self._pace.append((now - self._visited[1]) / made)
        pace = max(sorted(self._pace)[len(self._pace) // 2], 1e-7) if self._pace else None
        window = self._window
        if window is None or not window.start <= step < window.stop:
            window = self._next(step, pace)
            now = time.monotonic()  # a wait for values is not the pace of the training
        self._visited = (step, now)
        chunk = 1 if pace is None else max(1, min(MAX_CHUNK, int(VISIT_SECONDS / pace)))
        if step >= (trigger := self.source.trigger):
            self.source.reached(pace)
            border = min(window.stop, step + chunk)
        else:
            least = 1 if pace is None else LEAST_CHUNK
            border = min(window.stop, step + max(chunk, least), trigger)
        self._first, self._count = step, border - step
        self._columns = {}
        return window, border

    def ahead(self, step: int, track: str = "lr") -> tuple[Reading, Iterator[float]]:
        """The reading of `step`, and the values that come after it, up to where `visit` is to be called again.

        For adapters that hand out the values themselves: they keep `record.step`.
        """
        window, border = self.visit(step)
        return self.value(step, track), iter(window.column(track, step + 1, border))

    def used(self, step: int, track: str, value: float) -> None:
        """Say that update `step` used another value of a base track than the one handed out."""
        self.record.ledger.replace(step, track, value)

    @property
    def window(self) -> Window:
        """The window in hand."""
        if self._window is None:
            raise Misused("No value was asked for yet.")
        return self._window

    def _column(self, track: str) -> list[float]:
        window = self.window
        try:
            column = window.column(track, self._first, self._first + self._count)
        except KeyError:
            known = ", ".join(sorted((*window.values, *window.derived)))
            raise Misused(f"Run {self.run} has no track {track!r}; it has {known}.") from None
        self._columns[track] = column
        return column

    def _next(self, step: int, pace: float | None) -> Window:
        if self.closed:
            raise Misused(f"This follower of run {self.run} is closed.")
        window = self.source.take(step, pace)
        self.record.ledger.take(window, step)
        self._window = window
        self._reason, self._revision = window.reason, window.revision
        return window

    # Moves

    def go_to(self, step: int, place: Place | None = None, *, attempt: int | None = None) -> None:
        """Continue at `step` in the current attempt, or the one named, and wait for the value there.

        `place` is a checkpoint's: if the service is away, what it holds for the step lets training go on.
        """
        before = self.record.position()
        self.record.begin(step)
        self._window, self._visited, self._count = None, None, 0
        self.source.start(self.record, replace(place or Place(self.run), step=step), before, attempt)
        self.visit(step)
        self._count = 0  # nobody has asked for the value yet

    def rejoin(self, step: int) -> None:
        """After a rewind: join the newest attempt at `step` (at or below the step that the run was rewound to)."""
        self.go_to(step)

    def state(self, step: int) -> dict[str, Any]:
        """What a checkpoint needs to continue at `step` bit for bit, as plain numbers, strings and lists."""
        window = self.window
        place = self.source.place()
        windows = [window.between(step, window.stop)] if window.start <= step < window.stop else []
        windows += [w for w in place.windows if w.start >= window.stop]
        return Place(self.run, step, window.uid, window.attempt, tuple(windows), place.outage).to_json()

    # The end

    def close(self) -> None:
        """Report the values used so far, say goodbye, and end the background thread."""
        self.closed = True
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        self.record.trusted &= kind is None  # nobody knows whether the last value came to be used
        self.close()
