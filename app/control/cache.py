"""What is known without the database, and what is not in it yet: one cache, one lock, one thread that writes.

It may say yes only (rule R6): committed bytes, the workers that it knows, histories and the plans that they fold to,
all of a run's uid. Every state of a run that is put in was committed; an older one is ignored. It is bounded in bytes
and in runs; the run that was used longest ago is forgotten first, and what is not written yet never.

A worker's report is taken in memory and written with all others once a second, so that no answer waits for a disk; the
answers to later requests acknowledge it, because `stored` is what the database has. Where a write fails nothing is
acknowledged, and it is tried again.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from app.control.curve import Curve
from app.control.history import History, history_of
from app.control.verification import derived_tracks
from app.errors import DataLost, LockstepError
from app.store import Reader, RunRow, Segment, Store, WorkerRow
from schemas.plans import Plan
from schemas.runs import Derived

logger = logging.getLogger("lockstep")

MOST_RUNS = 4096
MOST_SEGMENTS = 512  # of one run
MOST_HISTORIES = 8  # of one run: its attempts', as it is now
SHARE = 8  # one run takes at most this part of the bytes
RUN_BYTES, ROW_BYTES, PLAN_BYTES = 2048, 512, 8  # about, of a run, of a row, and of a byte of a plan's JSON
WRITE_SECONDS = 1.0

Version = tuple[int, int, int]


@dataclass(slots=True)
class Entry:
    """What is held of one run; read and changed under the cache's lock."""

    run: RunRow
    segments: tuple[Segment, ...] = ()
    """Committed ones, by start: those near the horizon, where workers read."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """By the key of their history. Readers add to it; to forget, it is replaced."""
    sizes: dict[str, int] = field(default_factory=dict)
    derived: dict[str, Mapping[str, Derived]] = field(default_factory=dict)
    histories: OrderedDict[Version, History] = field(default_factory=OrderedDict)
    """By (attempt, newest revision, moves)."""
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    """As they are stored."""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """A worker as it is stored, and as it was last heard of."""

    stored: WorkerRow
    latest: WorkerRow


class Cache:
    """Thread-safe. `start` and `stop` belong to the application's lifespan."""

    def __init__(self, store: Store, limit: int) -> None:
        """`limit`: bytes, about."""
        self._store, self._limit = store, limit
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, Entry] = OrderedDict()
        self._size = 0
        self._waiting: dict[tuple[int, str], WorkerRow] = {}
        self._now = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="reports", daemon=True)

    # what is known

    def run(self, name: str) -> RunRow | None:
        """A run as last committed, if it is known."""
        with self._lock:
            entry = self._runs.get(name)
            if entry is None:
                return None
            self._runs.move_to_end(name)
            return entry.run

    def segments(self, run: RunRow) -> tuple[Segment, ...]:
        """The committed segments of the run's attempt that are known, by start."""
        with self._lock:
            entry = self._entry(run)
            return entry.segments if entry is not None and entry.run.attempt == run.attempt else ()

    def derived(self, run: RunRow, history: str) -> Mapping[str, Derived] | None:
        """The derived tracks of the plan that a history folds to, if that is known."""
        with self._lock:
            entry = self._entry(run)
            if entry is None:
                return None
            if history not in entry.derived and history in entry.plans:
                entry.derived[history] = derived_tracks(entry.plans[history])
            return entry.derived.get(history)

    def heard(self, run: RunRow, worker: str) -> Heard | None:
        """A worker, if it is known."""
        with self._lock:
            entry = self._entry(run)
            stored = None if entry is None else entry.workers.get(worker)
            if stored is None:
                return None
            return Heard(stored, self._waiting.get((run.id, worker), stored))

    def curve(self, reader: Reader, run: RunRow, attempt: int | None = None) -> Curve:
        """The curve of an attempt, by default the current one, of a run as `reader` sees it."""
        version = (attempt or run.attempt, run.revision, run.moves)
        history = self._history(run, version)
        if history is None:
            older = self._older(run, version)
            if older is None:
                history = history_of(reader.revisions(run.id), version[0])
            else:  # the same but for the newest revisions
                after, history = older
                for row in reader.revisions(run.id, after=after):
                    history = history.adding(row)
            self.put(run, histories={version: history})
        return Curve(history, self._memo(run), partial(reader.plans, run.id))

    def curves(self, reader: Reader, rows: Sequence[RunRow]) -> dict[int, Curve]:
        """The current curves of runs by id, with the plans at their horizons: however many, by two questions."""
        versions = {run.id: (run.attempt, run.revision, run.moves) for run in rows}
        unknown = [run for run in rows if self._history(run, versions[run.id]) is None]
        found = reader.revisions_of([run.id for run in unknown]) if unknown else {}
        for run in unknown:
            self.put(run, histories={versions[run.id]: history_of(found[run.id], run.attempt)})
        curves = {}
        wanted: dict[int, Sequence[str]] = {}
        for run in rows:
            history = self._history(run, versions[run.id]) or history_of(found.get(run.id, []), run.attempt)
            curves[run.id] = Curve(history, self._memo(run), partial(reader.plans, run.id))
            keys = history.keys[: history.at(run.horizon) + 1]
            if keys[-1] not in curves[run.id].memo:
                wanted[run.id] = keys[-1:]
        for run_id, plans in (reader.plans_of(wanted) if wanted else {}).items():
            curves[run_id].memo.update(plans)
        return curves

    def _history(self, run: RunRow, version: Version) -> History | None:
        with self._lock:
            entry = self._entry(run)
            if entry is None or version not in entry.histories:
                return None
            entry.histories.move_to_end(version)
            return entry.histories[version]

    def _older(self, run: RunRow, version: Version) -> tuple[int, History] | None:
        """The newest older state of a history that revisions were only added to since, and its newest revision."""
        attempt, _, moves = version
        with self._lock:
            entry = self._entry(run)
            same = (
                []
                if entry is None or attempt != run.attempt
                else [
                    (known[1], history)
                    for known, history in entry.histories.items()
                    if (known[0], known[2]) == (attempt, moves)
                ]
            )
        return max((one for one in same if one[0] < run.revision), key=lambda one: one[0], default=None)

    def _memo(self, run: RunRow) -> dict[str, Plan]:
        with self._lock:
            entry = self._entry(run)
            return {} if entry is None else entry.plans

    # what was committed

    def put(
        self,
        run: RunRow,
        segments: Sequence[Segment] = (),
        workers: Sequence[WorkerRow] = (),
        histories: Mapping[Version, History] | None = None,
        plans: Mapping[str, Plan] | None = None,
        derived: Mapping[str, Mapping[str, Derived]] | None = None,
    ) -> None:
        """Learn a committed state of a run and what belongs to it. An older state than the one held is ignored."""
        with self._lock:
            entry = self._runs.get(run.name)
            if entry is None or entry.run.uid != run.uid or entry.run.attempt < run.attempt:
                self._forget(run.name)
                entry = (
                    Entry(run)
                    if entry is None or entry.run.uid != run.uid
                    else Entry(run, plans=entry.plans, sizes=entry.sizes, derived=entry.derived)
                )
            elif entry.run.attempt > run.attempt:
                return
            elif _order(run) >= _order(entry.run):
                entry.run = run
            known = {segment.start: segment for segment in entry.segments}
            known.update((segment.start, segment) for segment in segments)
            entry.segments = _last(sorted(known.values(), key=lambda segment: segment.start), self._limit // SHARE)
            for worker in workers:
                entry.workers[worker.worker] = worker
                self._waiting.pop((run.id, worker.worker), None)
            entry.histories.update(histories or {})
            while len(entry.histories) > MOST_HISTORIES:
                entry.histories.popitem(last=False)
            entry.plans.update(plans or {})
            held = {segment.history for segment in entry.segments}
            entry.derived.update(derived or {})
            entry.derived = {key: tracks for key, tracks in entry.derived.items() if key in held}
            self._weigh(run.name, entry)
            while self._runs and (self._size > self._limit or len(self._runs) > MOST_RUNS):
                self._forget(next(iter(self._runs)))

    def forget(self) -> None:
        """Know nothing any more, but for what is not written yet: the bytes of which memory says yes are not stored."""
        with self._lock:
            self._runs.clear()
            self._size = 0

    def _entry(self, run: RunRow) -> Entry | None:
        entry = self._runs.get(run.name)
        return entry if entry is not None and entry.run.uid == run.uid else None

    def _weigh(self, name: str, entry: Entry) -> None:
        if len(entry.plans) != len(entry.sizes):
            for key in [key for key in entry.plans if key not in entry.sizes]:
                entry.sizes[key] = ROW_BYTES + PLAN_BYTES * len(entry.plans[key].model_dump_json(exclude_unset=True))
        kept = list(entry.sizes)
        while kept and sum(entry.sizes[key] for key in kept) > self._limit // SHARE:
            kept = kept[len(kept) // 2 + 1 :]
        if len(kept) < len(entry.sizes):
            entry.plans = {key: entry.plans[key] for key in kept}
            entry.sizes = {key: entry.sizes[key] for key in kept}
        rows = len(entry.workers) + len(entry.segments) + sum(len(h.rows) for h in entry.histories.values())
        rows += sum(map(len, entry.derived.values()))
        size = RUN_BYTES + ROW_BYTES * rows + sum(len(s.data) for s in entry.segments) + sum(entry.sizes.values())
        if name in self._runs:
            self._size -= self._runs[name].size
        self._size += size
        entry.size = size
        self._runs[name] = entry
        self._runs.move_to_end(name)

    def _forget(self, name: str) -> None:
        entry = self._runs.pop(name, None)
        if entry is not None:
            self._size -= entry.size

    # what is not written yet

    def note(self, run: RunRow, row: WorkerRow) -> None:
        """What a known worker said of itself: written within a second or so."""
        with self._lock:
            self._waiting[run.id, row.worker] = row

    def newest(self, run: RunRow, rows: Sequence[WorkerRow]) -> list[WorkerRow]:
        """Stored rows with what is not written yet."""
        with self._lock:
            waiting = [(row, self._waiting.get((run.id, row.worker))) for row in rows]
        return [
            row if new is None or row.gone or not same_process(row, new) else replace(new, seen_at=row.seen_at)
            for row, new in waiting
        ]

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def write(self) -> None:
        """Write what is waiting, in one transaction. What cannot be written stays, and is acknowledged to nobody."""
        with self._lock:
            batch = dict(self._waiting)
        with self._store.read() as reader:
            now = reader.now()
        if batch or now < self._now or not self._now:  # a clock that was set back makes the past the future
            with self._store.change() as tx:
                if now < self._now or not self._now:
                    tx.clamp_seen()
                stored = {key: tx.touch_worker(key[0], row) for key, row in batch.items()}
        self._now = now
        with self._lock:
            entries = {entry.run.id: entry for entry in self._runs.values()}
            for key, row in batch.items():
                entry = entries.get(key[0])
                if self._waiting.get(key) == row:
                    del self._waiting[key]
                if entry is None:
                    continue
                known = entry.workers.get(row.worker)
                if not stored[key]:  # the row is another process's, or gone: only the database may speak for it
                    entry.workers.pop(row.worker, None)
                    self._waiting.pop(key, None)
                elif known is not None and same_process(known, row):
                    entry.workers[row.worker] = row

    def _write_on(self) -> None:
        while not self._stopping.wait(WRITE_SECONDS):
            self._try_to_write()
        self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self.write()
        except LockstepError as error:
            logger.warning("reports are kept until they can be written: %s", error.detail)
            if isinstance(error, DataLost):
                self.forget()
        except Exception:
            logger.exception("reports are kept until they can be written")


def same_process(one: WorkerRow, two: WorkerRow) -> bool:
    """Whether two rows are of one process in one attempt."""
    return (one.attempt, one.instance) == (two.attempt, two.instance)


def _order(run: RunRow) -> tuple[int, int, int, int, int]:
    """Later states of a run compare greater: within an attempt all of these only grow."""
    return run.attempt, run.status == "archived", run.revision, run.moves, run.horizon


def _last(segments: list[Segment], limit: int) -> tuple[Segment, ...]:
    """The last segments that fit into the limit: workers of one run read near its horizon."""
    segments = segments[-MOST_SEGMENTS:]
    size = 0
    for index in range(len(segments) - 1, -1, -1):
        size += len(segments[index].data)
        if size > limit:
            return tuple(segments[index + 1 :])
    return tuple(segments)
