"""Reading a run's curve: committed values where they are committed, planned ones beyond."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.control.commit import Values, columns
from app.control.context import Control
from app.control.history import load_plan
from app.control.revisions import planned_values
from app.control.verify import derived_tracks
from app.errors import Invalid, TooLarge
from app.schedules import decimate
from app.schedules.plot import Line, Mark, render
from app.store import Reader, RevisionRow, RunRow, Segment
from schemas.base import MAX_STEP

MOST_VALUES = 2_000_000
PICTURE_POINTS, MOST_ATTEMPTS, MOST_MARKS = 2000, 10, 100
BEYOND = 1000  # steps beyond the horizon, where neither the request nor the plan says how far


@dataclass(frozen=True, slots=True)
class Curve:
    """Values of [start, stop) at every `stride`-th step, or at `steps` where fewer points were asked for."""

    run: RunRow
    attempt: int
    start: int
    stop: int
    stride: int
    committed_until: int
    steps: list[int] | None
    values: dict[str, Values]


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
) -> Curve:
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
        history = reader.curve(run.id, wanted, start)
        if stop is None:
            total = load_plan(history[-1].plan).total_steps
            stop = max(start, total or 0, horizon if total else horizon + BEYOND)
        if not start <= stop <= MAX_STEP:
            raise Invalid.at("/stop", f"stop must lie between start ({start}) and {MAX_STEP}")
        names = _tracks(history, tracks)
        if (stop - start) * len(names) > MOST_VALUES:
            raise TooLarge(
                f"{stop - start:,} steps of {len(names)} tracks are more than {MOST_VALUES:,} values; ask for a part"
            )
        found = {track: planned_values(history, track, start, stop) for track in names}
        committed = reader.segments(run.id, wanted, start, min(stop, horizon))
        _overlay(reader, run, committed, found, start)
    steps = np.arange(start, stop, stride)
    values = {track: column[::stride] for track, column in found.items()}
    chosen = None
    if points is not None and len(steps) > points:
        keep = [row.from_step for row in history]
        parts = [decimate(steps, np.nan_to_num(column), points, keep).tolist() for column in values.values()]
        chosen = sorted(set().union(*parts))
        values = {track: column[chosen] for track, column in values.items()}
    committed_until = max(start, min(stop, horizon))
    shown = None if chosen is None else steps[chosen].tolist()
    return Curve(run, wanted, start, stop, stride, committed_until, shown, values)


def _tracks(history: Sequence[RevisionRow], tracks: Sequence[str] | None) -> list[str]:
    plans = [load_plan(row.plan) for row in history]
    every = {name for plan in plans for name in plan.tracks}
    base = {name for plan in plans for name, spec in plan.tracks.items() if spec.kind != "track"}
    if tracks is None:
        return sorted(base)
    for track in tracks:
        if track not in every:
            raise Invalid.at("/tracks", f"the run has no track {track!r}; it has {', '.join(sorted(every)[:20])}")
    return list(tracks)


def _overlay(reader: Reader, run: RunRow, segments: Sequence[Segment], values: dict[str, Values], start: int) -> None:
    """Put the committed bytes over the planned values."""
    derived = {}
    for number in {segment.revision for segment in segments}:
        row = reader.revision(run.id, number)
        assert row is not None
        derived[number] = derived_tracks(row.plan)
    for segment in segments:
        lower = max(start, segment.start)
        part = columns(segment)[:, lower - segment.start :]
        for track, column in values.items():
            of, times = derived[segment.revision].get(track, (track, None))
            where = column[lower - start : segment.stop - start]
            if of not in segment.tracks:
                where[:] = np.nan
            else:
                row_values = part[segment.tracks.index(of), : len(where)]
                where[:] = row_values if times is None else times * row_values


def picture(control: Control, name: str, kind: str, *, track: str = "lr", log: bool = False, **about: Any) -> bytes:
    """A run's history as `svg` or `png`: the curve of each of its last attempts over each other, revisions marked.

    `about` is what `curve` takes to choose steps. Raises as `curve`, and `Unavailable` where matplotlib is missing.
    """
    newest = curve(control, name, tracks=[track], points=PICTURE_POINTS, **about)
    shown = range(max(1, newest.attempt - MOST_ATTEMPTS + 1), newest.attempt)
    older = [curve(control, name, **{**about, "attempt": one}, tracks=[track], points=PICTURE_POINTS) for one in shown]
    lines = []
    for one in (*older, newest):
        steps = one.steps or range(one.start, one.stop, one.stride)
        lines.append(Line(f"attempt {one.attempt}", steps, one.values[track], planned_from=one.committed_until))
    with control.store.read() as reader:
        rows = reader.curve(newest.run.id, newest.attempt, newest.start)
    marks = [Mark(row.from_step, f"{row.number} {row.action['kind']}") for row in rows if row.number > 1]
    return render(lines, marks=marks[-MOST_MARKS:], log=log, title=f"{name}: {track}", value=track, kind=kind)
