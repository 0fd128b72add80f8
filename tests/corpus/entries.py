"""What an entry of the corpus is: a file as people have it, and what its library would do with it.

The files are rebuilt by hand: their numbers are those of public files, their names and paths are not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi
from typing import Any

Json = dict[str, Any]
Curve = Callable[[int], float]


@dataclass(frozen=True)
class Entry:
    """A file with what a request says besides it."""

    name: str
    """Which public file its numbers are from."""
    library: str
    """Whose reader it is for."""
    file: str | Json
    """The text, or the object that it holds."""
    says: Curve | str
    """The rate at a step by the library's formula; or the pointer to the field that it is refused for."""
    steps: int = 1000
    """How long the run is, in updates."""
    track: str = "lr"
    """The track that the formula is of."""
    given: Json = field(default_factory=dict)
    """What else the request says."""
    codes: tuple[str, ...] = ()
    """The warnings of reading it."""
    rel: float = 1e-9
    """How close the values come; float32 is not as fine."""


def wave(share: float) -> float:
    """Half a cosine from 1 down to 0, held at both ends."""
    return (1 + cos(pi * min(max(share, 0.0), 1.0))) / 2


def line(share: float) -> float:
    """A straight line from 1 down to 0, held at both ends."""
    return 1 - min(max(share, 0.0), 1.0)


def flat(share: float) -> float:
    """1 all the time."""
    return 1.0


def warmed(
    peak: float, warmup: int, end: int, fall: Callable[[float], float], low: float = 0.0, start: float = 0.0
) -> Curve:
    """From `start` in a straight line to `peak`, then down to `low` at `end` by a shape."""

    def rate(step: int) -> float:
        if step < warmup:
            return start + (peak - start) * step / warmup
        return low + (peak - low) * fall((step - warmup) / max(1, end - warmup))

    return rate


def stairs(*levels: tuple[int, float]) -> Curve:
    """Levels from steps on."""
    return lambda step: next(value for begin, value in reversed(levels) if step >= begin)


def per_epoch(curve: Curve, length: float) -> Curve:
    """A curve of the epoch, as one of the update."""
    return lambda step: curve(int(step // length))
