"""The tail: planned values beyond the committed ones, kept for an outage under the policy `follow`."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import replace

from lockstep.errors import Unavailable
from lockstep.outage import FOLLOW
from lockstep.window import Window

MAX_SECONDS, MAX_STEPS = 3600.0, 100_000  # an hour of steps, or so many per track


def tail_steps(step_seconds: float | None) -> int:
    """How long a tail is at a pace; the most where none is known."""
    return MAX_STEPS if not step_seconds else int(min(MAX_SECONDS / step_seconds, MAX_STEPS)) + 1


def outdated(tail: Window | None, last: Window, newest: int, steps: int) -> bool:
    """Whether a new tail is due: none yet, another attempt, a newer revision, or half of it is used up."""
    if tail is None or (tail.uid, tail.attempt) != (last.uid, last.attempt) or tail.revision < newest:
        return True
    return tail.stop - last.stop < steps // 2


def parse_tail(tracks: Mapping[str, "array[float]"], headers: Mapping[str, str], last: Window, newest: int) -> Window:
    """The answer to a request for planned values from `last.stop` on, for the tracks that `last` has.

    `newest` is the newest revision known, where the answer does not name one. Raises `Unavailable` for nonsense.
    """
    values = {track: column.tolist() for track, column in tracks.items() if track in last.values}
    if set(values) != set(last.values):
        raise Unavailable("The service answered a tail that lacks a track.")
    if not all(math.isfinite(value) and value >= 0 for column in values.values() for value in column):
        raise Unavailable("The service answered a tail with values that are no rates.")
    stop = last.stop + min(len(column) for column in values.values())
    revision = int(headers.get("lockstep-newest", newest))
    return replace(last, start=last.stop, stop=stop, revision=revision, values=values, reason=FOLLOW)
