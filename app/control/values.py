"""Reading a run's curve: committed values where they are committed, planned ones beyond."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.control.commit import Values, columns
from app.control.context import Control
from app.control.curve import Curve
from app.control.verification import derived_tracks
from app.errors import Invalid, TooLarge
from app.schedules import decimate
from app.schedules.plot import Line, Mark, render
from app.store import Reader, RunRow, Segment
from schemas.base import MAX_STEP
from schemas.runs import Derived, RunValues

MOST_VALUES = 2_000_000  # in an answer
MOST_LOOKED_AT = 2**28  # values that `points` chooses from
BLOCK = 2**16  # steps that are held at a time to choose from
SPAN = 2**18  # committed steps that are read at a time
PICTURE_POINTS, MOST_ATTEMPTS, MOST_MARKS = 2000, 10, 100
BEYOND = 1000  # steps beyond the horizon, where neither the request nor the plan says how far

Track = TypeVar("Track")
Read = Callable[[range], Mapping[Track, Values]]
"""The values of tracks at steps, nan where there is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it was read: what an answer says of it beside the values."""

    run: RunRow
    values: RunValues
    curve: Curve


def curve(
    control: Control,
    name: str,
    *,
    start: int | None = None,
    stop: int | None = None,
    stride: int = 1,
    points: int | None = None,
    attempt: int | None = None,
    tracks: Sequence[str] | None = None,
) -> Seen:
    """The values of a run, by default of its base tracks from its first step to its plan's end, in its current attempt.

    `points` asks for min-max decimation that keeps revisions. nan where a track does not exist yet.
    Raises `Invalid` for a range or attempt that is not there and `TooLarge` for more than 2,000,000 values.
    """
    with control.store.read() as reader:
        run = reader.run(name)
        attempts = {row.attempt: row for row in reader.attempts(run.id)}
        wanted = run.attempt if attempt is None else attempt
        if wanted not in attempts:
            raise Invalid.at("/attempt", f"the run has the attempts 1 to {run.attempt}")
        ended = attempts[wanted].horizon
        horizon = run.horizon if ended is None else ended
        start = run.start_step if start is None else start
        if start < run.start_step:
            raise Invalid.at("/start", f"the run starts at step {run.start_step}; below it there is nothing")
        whole = control.cache.curve(reader, run, wanted)
        if stop is None:
            total = whole.plan(len(whole.history.rows) - 1).total_steps
            stop = max(start, total or 0, horizon if total else min(horizon + BEYOND, MAX_STEP))
        if not start <= stop <= MAX_STEP:
            raise Invalid.at("/stop", f"stop must lie between start ({start}) and {MAX_STEP}")
        steps = range(start, stop, stride)
        names = _tracks(reader, run, wanted, horizon, whole, range(start, stop), tracks)
        count = len(steps) * len(names)
        if count > (MOST_VALUES if points is None else MOST_LOOKED_AT):
            raise TooLarge(
                f"{len(steps):,} steps of {len(names)} tracks are more than {MOST_VALUES:,} values; ask for a part, "
                "for a wider `stride`, or for `points`"
            )
        chosen, found = sampled(
            partial(_read, reader, run, wanted, horizon, whole, names),
            _blocks(steps, horizon),
            len(steps) if points is None else points,
            [row.from_step for row in whole.history.rows],
        )
    if len(chosen) * len(names) > MOST_VALUES:
        raise TooLarge(f"{len(chosen):,} points of {len(names)} tracks are more than {MOST_VALUES:,} values")
    about: dict[str, Any] = {} if len(chosen) == len(steps) else {"steps": chosen.tolist()}
    answer = RunValues.model_construct(
        run=run.name,
        attempt=wanted,
        start=start,
        stop=stop,
        stride=stride,
        committed_until=max(start, min(stop, horizon)),
        values={track: array("d", column.tobytes()) for track, column in found.items()},
        **about,
    )
    return Seen(run, answer, whole)


def sampled(
    read: Read[Track], blocks: Iterable[range], points: int, keep: Sequence[int]
) -> tuple[NDArray[np.int64], dict[Track, Values]]:
    """About `points` steps of the blocks and the values there, min-max decimated; all of them where they are no more.

    The steps of `keep` stay. Only a block is held at a time, whatever the range.
    """
    blocks = list(blocks)
    total = sum(map(len, blocks))
    parts: list[tuple[NDArray[np.int64], Mapping[Track, Values]]] = []
    for block in blocks:
        steps, found = np.arange(block.start, block.stop, block.step), read(block)
        parts.append(_thinned(steps, found, points * len(block) // total, keep) if total > points else (steps, found))
    steps = np.concatenate([np.empty(0, np.int64), *(part for part, _ in parts)])
    tracks = list(parts[0][1]) if parts else []
    columns = {track: np.concatenate([found[track] for _, found in parts]) for track in tracks}
    return _thinned(steps, columns, points, keep) if len(parts) > 1 and len(steps) > 2 * points else (steps, columns)


def planned_values(curve: Curve, tracks: Sequence[str], steps: range) -> dict[str, Values]:
    """The planned values of tracks, base or derived; nan where the plan in force lacks one."""
    found = {track: np.full(len(steps), np.nan) for track in tracks}
    for _, compiled, lower, upper in curve.pieces(steps.start, steps[-1] + 1) if steps else ():
        where, part = _within(steps, lower, upper)
        for track, column in found.items():
            if part and (track in compiled.base or track in compiled.derived):
                column[where] = compiled.values(track, part.start, part[-1] + 1, steps.step)
    return found


def _thinned(
    steps: NDArray[np.int64], found: Mapping[Track, Values], points: int, keep: Sequence[int]
) -> tuple[NDArray[np.int64], dict[Track, Values]]:
    share = max(2, points // max(1, len(found)))
    chosen = np.empty(0, np.intp)
    for column in found.values():
        chosen = np.union1d(chosen, decimate(steps, np.nan_to_num(column), share, keep))
    return steps[chosen], {track: column[chosen] for track, column in found.items()}


def _blocks(steps: range, horizon: int) -> Iterator[range]:
    """The steps, a part at a time: as many as may be held, and below the horizon as far as may be read."""
    first = 0
    while first < len(steps):
        most = max(1, SPAN // steps.step) if steps[first] < horizon else BLOCK
        yield steps[first : first + min(most, BLOCK)]
        first += min(most, BLOCK)


def _within(steps: range, lower: int, upper: int) -> tuple[slice, range]:
    """Which of the steps lie in [lower, upper)."""
    first, stop = (max(0, -(-(edge - steps.start) // steps.step)) for edge in (lower, upper))
    return slice(first, min(stop, len(steps))), steps[first:stop]


def _read(
    reader: Reader, run: RunRow, attempt: int, horizon: int, curve: Curve, tracks: Sequence[str], steps: range
) -> dict[str, Values]:
    """The values of tracks at a block of steps: committed below the horizon, planned from there on.

    No plan is read of what is committed, but where a track is asked for that may derive from another there.
    """
    below, beyond = _within(steps, steps.start, horizon)[1], _within(steps, horizon, max(steps.stop, horizon))[1]
    ahead = planned_values(curve, tracks, beyond)
    found = {track: np.concatenate([np.full(len(below), np.nan), ahead[track]]) for track in tracks}
    segments = reader.segments(run.id, attempt, below.start, below[-1] + 1) if below else []
    lacking = {segment.history for segment in segments if not set(tracks) <= set(segment.tracks)}
    plans = reader.plans(run.id, list(lacking)) if lacking else {}
    derived = {history: derived_tracks(plan) for history, plan in plans.items()}
    for segment in segments:
        where, part = _within(below, segment.start, segment.stop)
        if part:
            inner = slice(part.start - segment.start, part[-1] + 1 - segment.start, steps.step)
            for track, column in found.items():
                column[where] = _committed(segment, derived.get(segment.history, {}), track)[inner]
    return found


def _committed(segment: Segment, derived: Mapping[str, Derived], track: str) -> Values:
    times = derived.get(track)
    of = track if times is None else times.of
    if of not in segment.tracks:
        return np.full(segment.stop - segment.start, np.nan)
    column: Values = columns(segment)[segment.tracks.index(of)]
    return column if times is None else times.times * column


def _tracks(
    reader: Reader, run: RunRow, attempt: int, horizon: int, curve: Curve, steps: range, tracks: Sequence[str] | None
) -> list[str]:
    """The tracks that are asked for, by default all base tracks that there are at some of the steps.

    Raises `Invalid` for one that the run has neither there nor later.
    """
    stop = max(steps.stop, steps.start + 1)
    ahead = [curve.plan(index) for index, *_ in curve.history.pieces(max(steps.start, horizon), max(stop, horizon))]
    base = reader.tracks(run.id, attempt, steps.start, min(stop, horizon)) | {
        name for plan in ahead for name, spec in plan.tracks.items() if spec.kind != "track"
    }
    if tracks is None:
        return sorted(base)
    if not set(tracks) <= base:
        plans = [curve.plan(index) for index in range(curve.history.at(steps.start), len(curve.history.rows))]
        every = base | {name for plan in plans for name in plan.tracks}
        for track in tracks:
            if track not in every:
                raise Invalid.at("/tracks", f"the run has no track {track!r}; it has {', '.join(sorted(every)[:20])}")
    return list(tracks)


def picture(control: Control, name: str, kind: str, *, track: str = "lr", log: bool = False, **about: Any) -> bytes:
    """A run's history as `svg` or `png`: the curve of each of its last attempts over each other, revisions marked.

    `about` is what `curve` takes to choose steps. Raises as `curve`, and `Unavailable` where matplotlib is missing.
    """
    newest = curve(control, name, tracks=[track], points=PICTURE_POINTS, **about)
    shown = range(max(1, newest.values.attempt - MOST_ATTEMPTS + 1), newest.values.attempt)
    older = [curve(control, name, **{**about, "attempt": one}, tracks=[track], points=PICTURE_POINTS) for one in shown]
    lines = []
    for one in (*(seen.values for seen in older), newest.values):
        steps = one.steps or range(one.start, one.stop, one.stride)
        column = np.frombuffer(one.values[track])
        lines.append(Line(f"attempt {one.attempt}", steps, column, planned_from=one.committed_until))
    rows = newest.curve.history.rows[newest.curve.history.at(newest.values.start) :]
    marks = [Mark(row.from_step, f"{row.number} {row.action.kind}") for row in rows if row.number > 1]
    return render(lines, marks=marks[-MOST_MARKS:], log=log, title=f"{name}: {track}", value=track, kind=kind)
