"""Committing values (rules R2, R8, R9): the one place where a step gets its bytes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.control.history import in_force, load_plan, pieces
from app.schedules import compile_plan
from app.store import RevisionRow, RunRow, Segment, Transaction

CHUNK = 16_384  # steps a stored segment holds at most

Values = npt.NDArray[np.float64]


def commit(tx: Transaction, run: RunRow, history: Sequence[RevisionRow], stop: int) -> RunRow:
    """Commit the planned values up to `stop`, in the caller's transaction. Returns the run as it is then."""
    segments: list[Segment] = []
    for row, lower, upper in pieces(history, run.horizon, stop):
        compiled = compile_plan(load_plan(row.plan))
        for start in range(lower, upper, CHUNK):
            end = min(start + CHUNK, upper)
            block = np.stack([compiled.values(track, start, end) for track in compiled.base])
            segments.append(_segment(tx, run, start, row.number, compiled.base, block, segments))
    return _store(tx, run, segments)


def commit_gap(
    tx: Transaction,
    run: RunRow,
    known: Sequence[RevisionRow],
    stop: int,
    *,
    policy: str,
    start: int,
    tail_stop: int | None,
) -> RunRow:
    """Commit [horizon, stop) as a worker had to compute it alone (rule R8).

    `known` is the history as of the revision that it knew, `start` the first step that it held no committed value for.
    `follow` is that curve, and from `tail_stop` on the last value of the tail; `freeze` is the value before `start`.
    """
    tail_stop = start if policy == "freeze" else stop if tail_stop is None else max(tail_stop, start)
    run = commit(tx, run, known, min(stop, tail_stop))
    if run.horizon == stop:
        return run
    tracks, last = _held_values(tx, run, known, tail_stop - 1, committed=tail_stop == start)
    revision = in_force(known, tail_stop - 1).number
    held: list[Segment] = []
    for lower in range(run.horizon, stop, CHUNK):
        block = np.repeat(last, min(CHUNK, stop - lower), axis=1)
        held.append(_segment(tx, run, lower, revision, tracks, block, held))
    return _store(tx, run, held)


def _held_values(
    tx: Transaction, run: RunRow, known: Sequence[RevisionRow], step: int, *, committed: bool
) -> tuple[tuple[str, ...], Values]:
    """The tracks and values, shape (tracks, 1), that a worker goes on holding after `step`."""
    if committed:
        segment = tx.segments(run.id, run.attempt, step, step + 1)[0]
        return segment.tracks, columns(segment)[:, step - segment.start : step - segment.start + 1]
    compiled = compile_plan(load_plan(in_force(known, step).plan))
    return compiled.base, np.stack([compiled.values(track, step, step + 1) for track in compiled.base])


def columns(segment: Segment) -> Values:
    """The values of a segment, shape (tracks, steps)."""
    return np.frombuffer(segment.data, "<f8").reshape(len(segment.tracks), segment.stop - segment.start)


def _segment(
    tx: Transaction,
    run: RunRow,
    start: int,
    revision: int,
    tracks: Sequence[str],
    block: Values,
    before: Sequence[Segment],
) -> Segment:
    bad = ~(np.isfinite(block) & (block >= 0))
    if bad.any():
        block = _last_good(tx, run, start, tracks, block, bad, before)
    data = np.ascontiguousarray(block + 0.0, dtype="<f8").tobytes()  # + 0.0 turns -0.0 into 0.0
    return Segment(run.attempt, start, start + block.shape[1], revision, tuple(tracks), data)


def _last_good(
    tx: Transaction,
    run: RunRow,
    start: int,
    tracks: Sequence[str],
    block: Values,
    bad: npt.NDArray[np.bool_],
    before: Sequence[Segment],
) -> Values:
    """Rule R9: a bad value is replaced by the last good one, with an alarm; a window never fails for it."""
    earlier = before[-1:] or tx.segments(run.id, run.attempt, start - 1, start)
    previous = {track: column[-1] for s in earlier for track, column in zip(s.tracks, columns(s), strict=True)}
    mended = block.copy()
    for i, track in enumerate(tracks):
        if bad[i].any():
            step = start + int(np.argmax(bad[i]))
            last = previous.get(track, 0.0)
            for j in range(block.shape[1]):
                last = last if bad[i, j] else block[i, j]
                mended[i, j] = last
            detail = f"{track} is {block[i, step - start]} at step {step}; the last good value was committed instead"
            tx.add_event(run, "bad-value", detail, alarm=True, track=track, step=step)
    return mended


def _store(tx: Transaction, run: RunRow, segments: Sequence[Segment]) -> RunRow:
    if not segments:
        return run
    tx.add_segments(run.id, segments)
    run = replace(run, horizon=segments[-1].stop)
    if run.status == "finished":
        run = replace(run, status="active")
        tx.add_event(run, "run-reopened", f"a worker asked for steps from {segments[0].start} on")
    tx.update_run(run.id, horizon=run.horizon, status=run.status)
    return run
