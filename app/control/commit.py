"""Committing values (rules R2, R8, R9): the one place where a step gets its bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.control.curve import Curve
from app.store import Reader, RunRow, Segment, Transaction

CHUNK = 16_384  # steps a stored segment holds at most

Values = npt.NDArray[np.float64]


def planned(curve: Curve, attempt: int, start: int, stop: int) -> Iterator[Segment]:
    """The values of [start, stop) as the curve has them, in segments; none of them is looked at yet (`commit`)."""
    for index, lower, upper in curve.history.pieces(start, stop):
        compiled, key = curve.compiled(index), curve.history.keys[index]
        number = curve.history.rows[index].number
        for first in range(lower, upper, CHUNK):
            end = min(first + CHUNK, upper)
            block = np.stack([compiled.values(track, first, end) for track in compiled.base])
            yield Segment(attempt, first, end, number, key, compiled.base, block.tobytes())


def held(curve: Curve, last: Segment, attempt: int, start: int, stop: int) -> Iterator[Segment]:
    """[start, stop) of an attempt with the last values of a segment held, which it may inherit, as one who froze had
    them.

    A revision that he knew changes nothing for him, but windows end where it begins (rule R4).
    """
    values = columns(last)[:, -1:]
    for index, lower, upper in curve.history.pieces(start, stop):
        number = curve.history.rows[index].number
        for first in range(lower, upper, CHUNK):
            block = np.repeat(values, min(CHUNK, upper - first), axis=1)
            yield replace(
                last,
                attempt=attempt,
                start=first,
                stop=first + block.shape[1],
                revision=number,
                data=block.astype("<f8").tobytes(),
            )


def commit(tx: Transaction, run: RunRow, curve: Curve, segments: Sequence[Segment]) -> tuple[RunRow, list[Segment]]:
    """Commit segments that follow each other from the horizon on, with the plans that they follow.

    In the caller's transaction, under the run's lock. Returns the run as it is then, and what was really committed.
    """
    if not segments:
        return run, []
    good: list[Segment] = []
    for segment in segments:
        good.append(_finite(tx, run, segment, good))
    for key in {segment.history for segment in good} & curve.history.lengths.keys():
        tx.add_plan(run.id, key, curve.plan(curve.history.lengths[key]))
    tx.add_segments(run.id, good)
    run = replace(run, horizon=good[-1].stop)
    if run.status == "finished":
        run = replace(run, status="active")
        tx.add_event(run, "run-reopened", f"a worker asked for steps from {good[0].start} on")
    tx.update_run(run.id, horizon=run.horizon, status=run.status)
    return run, good


def columns(segment: Segment) -> Values:
    """The values of a segment, shape (tracks, steps)."""
    return np.frombuffer(segment.data, "<f8").reshape(len(segment.tracks), segment.stop - segment.start)


def _finite(tx: Transaction, run: RunRow, segment: Segment, before: Sequence[Segment]) -> Segment:
    """Rule R9: a bad value is replaced by the last good one, with an alarm; `-0.0` becomes `0.0`."""
    block = columns(segment)
    bad = ~(np.isfinite(block) & (block >= 0))
    if bad.any():
        block = _last_good(tx, run, segment, block, bad, before)
    return replace(segment, data=(block + 0.0).astype("<f8").tobytes())


def _last_good(
    tx: Transaction,
    run: RunRow,
    segment: Segment,
    block: Values,
    bad: npt.NDArray[np.bool_],
    before: Sequence[Segment],
) -> Values:
    earlier = before[-1:] or last_committed(tx, run, segment.start)
    previous = {track: column[-1] for s in earlier for track, column in zip(s.tracks, columns(s), strict=True)}
    mended = block.copy()
    for i, track in enumerate(segment.tracks):
        if bad[i].any():
            step = segment.start + int(np.argmax(bad[i]))
            last = previous.get(track, 0.0)
            for j in range(block.shape[1]):
                last = last if bad[i, j] else block[i, j]
                mended[i, j] = last
            value = block[i, step - segment.start]
            detail = f"{track} is {value} at step {step}; the last good value was committed instead"
            tx.add_event(run, "bad-value", detail, alarm=True, track=track, step=step)
    return mended


def last_committed(reader: Reader, run: RunRow, step: int) -> list[Segment]:
    """The segment with the value before `step`, cut there; empty at the run's first step."""
    found = reader.segments(run.id, run.attempt, step - 1, step)
    return [cut(segment, step) for segment in found]


def cut(segment: Segment, stop: int) -> Segment:
    """The part of a segment below `stop`."""
    if segment.stop <= stop:
        return segment
    kept = columns(segment)[:, : stop - segment.start]
    return replace(segment, stop=stop, data=np.ascontiguousarray(kept).tobytes())
