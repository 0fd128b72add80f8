"""Comparing what optimizers used with what is committed (PROTOCOL §3, "Verified")."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.control.commit import columns
from app.store import Segment

Derived = Mapping[str, tuple[str, float]]


def derived_tracks(plan: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """(base track, factor) of every derived track of a stored plan."""
    return {
        name: (track["of"], float(track["factor"]))
        for name, track in plan["tracks"].items()
        if track["kind"] == "track"
    }


def committed_crc(
    segments: Sequence[Segment], derived: Mapping[int, Derived], tracks: Sequence[str], start: int, stop: int
) -> int | None:
    """The CRC-32 over the committed values of [start, stop): little-endian float64, step by step, tracks by name.

    `derived` gives the derived tracks of each revision. None where a step or a track has no committed value.
    """
    crc, position = 0, start
    for segment in segments:
        if segment.stop <= position or segment.start >= stop:
            continue
        if segment.start > position:
            return None
        upper = min(stop, segment.stop)
        values = columns(segment)[:, position - segment.start : upper - segment.start]
        rows = []
        for track in sorted(tracks):
            of, times = derived[segment.revision].get(track, (track, None))
            if of not in segment.tracks:
                return None
            row = values[segment.tracks.index(of)]
            rows.append(row if times is None else times * row)
        crc = zlib.crc32(np.ascontiguousarray(np.stack(rows, axis=1), dtype="<f8").tobytes(), crc)
        position = upper
    return crc if position == stop else None


def merged(ranges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The union of [start, stop) ranges, in order and without overlaps."""
    result: list[list[int]] = []
    for start, stop in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1][1] = max(result[-1][1], stop)
        else:
            result.append([start, stop])
    return result
