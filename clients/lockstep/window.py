"""Windows: ranges of values that a worker holds, and how the service's answers become them."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from lockstep.errors import Unavailable

COMMITTED, PLANNED = "committed", "planned"

Derived = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """Values of the steps `start` to `stop - 1`, by base track, and the factors of the derived tracks."""

    uid: str
    attempt: int
    start: int
    stop: int
    revision: int
    values: dict[str, list[float]]
    derived: dict[str, Derived] = field(default_factory=dict)
    reason: str = COMMITTED
    relative: tuple[str, ...] = ()  # base tracks whose values are factors of each group's own first number

    @property
    def tracks(self) -> tuple[str, ...]:
        """The base tracks, sorted: those that are stored, reported and checked."""
        return tuple(sorted(self.values))

    def alike(self, other: "Window") -> bool:
        """Whether both have the same tracks, with the same factors."""
        return self is other or (
            self.values.keys() == other.values.keys()
            and self.derived == other.derived
            and self.relative == other.relative
        )

    def factors(self, track: str) -> bool:
        """Whether the values of a track are factors of each group's own first number."""
        return track in self.relative or (track in self.derived and self.derived[track][0] in self.relative)

    def column(self, track: str, start: int, stop: int) -> list[float]:
        """The values of a base or derived track for the steps `start` to `stop - 1`; KeyError for an unknown one."""
        low, high = start - self.start, stop - self.start
        if track in self.values:
            return self.values[track][low:high]
        of, times = self.derived[track]
        return [value * times for value in self.values[of][low:high]]

    def between(self, start: int, stop: int) -> "Window":
        """The part from `start` to `stop`, both inside the window."""
        low, high = start - self.start, stop - self.start
        values = {track: column[low:high] for track, column in self.values.items()}
        return replace(self, start=start, stop=stop, values=values)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dictionaries: for checkpoints and files."""
        return {
            "uid": self.uid,
            "attempt": self.attempt,
            "start": self.start,
            "stop": self.stop,
            "revision": self.revision,
            "values": {track: list(column) for track, column in self.values.items()},
            "derived": {track: {"of": of, "times": times} for track, (of, times) in self.derived.items()},
            "reason": self.reason,
        } | ({"relative": list(self.relative)} if self.relative else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Window":
        """What `to_json` gave. KeyError, TypeError or ValueError where it is something else."""
        derived = parse_derived(document["derived"], document["values"])
        return cls(**{**document, "derived": derived, "relative": tuple(document.get("relative", ()))})


class Held:
    """The windows in hand, in order and without holes: `windows` from the one in use on, `past` those used already.

    `keep_steps` says how far back `past` reaches, for checkpoints that are older; the last one stays in any case.
    """

    def __init__(self, step: int = 0, keep_steps: int = 0) -> None:
        self.windows: deque[Window] = deque()
        self.past: deque[Window] = deque()
        self._first, self._keep_steps = step, keep_steps

    @property
    def last(self) -> Window | None:
        """The newest window that was held, to go on from."""
        return self.windows[-1] if self.windows else self.past[-1] if self.past else None

    @property
    def end(self) -> int:
        """Where what is held ends: the step of the next request."""
        return self._first if (last := self.last) is None else last.stop

    def move(self, step: int) -> None:
        """Hold nothing, and begin at `step`."""
        self.windows.clear()
        self.past.clear()
        self._first = step

    def append(self, window: Window) -> None:
        """Hold on with what `window` has beyond the end."""
        self.windows.append(window.between(self.end, window.stop) if window.start < self.end else window)

    def arrive(self, step: int) -> bool:
        """The training is at `step`: lay aside what is used up. False where `step` is not held and not the next."""
        while self.windows and self.windows[0].stop <= step:
            self.past.append(self.windows.popleft())
        while len(self.past) > 1 and self.past[0].stop < step - self._keep_steps:
            self.past.popleft()
        return self.windows[0].start <= step if self.windows else step == self.end


class Answer(NamedTuple):
    """What a window call answered: a window, perhaps empty, and how far things stand; `group` by worker."""

    window: Window
    horizon: int
    newest: int
    verified_until: int
    group: dict[str, int]


def parse_window(document: Mapping[str, Any], step: int) -> Answer:
    """The answer to a window call for `step`. Raises `Unavailable` where it is not one: it is never half used."""
    try:
        start, stop = _count(document["start"]), _count(document["stop"])
        values = {str(track): [_rate(v) for v in column] for track, column in document["values"].items()}
        if start != step or stop < start or any(len(column) != stop - start for column in values.values()):
            raise ValueError(f"steps {start} to {stop} do not answer a request for {step}")
        if stop > start and not values:
            raise ValueError("it has no tracks")
        derived = parse_derived(document.get("derived") or {}, values)
        window = Window(
            uid=str(document["uid"]),
            attempt=_count(document["attempt"]),
            start=start,
            stop=stop,
            revision=_count(document["revision"]),
            values=values,
            derived=derived,
            reason=str(document.get("reason", COMMITTED)),
            relative=tuple(str(track) for track in document.get("relative") or ()),
        )
        horizon = _count(document.get("horizon", stop))
        newest = max(window.revision, _count(document.get("newest", window.revision)))
        group = {str(worker): _count(until) for worker, until in (document.get("group") or {}).items()}
        return Answer(window, horizon, newest, _count(document.get("verified_until", step)), group)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"The service answered a window that makes no sense ({error}).") from error


def parse_derived(document: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Derived]:
    """`{"head/lr": {"of": "lr", "times": 10.0}}` as pairs; ValueError where the parent is no base track."""
    derived = {str(track): (str(entry["of"]), float(entry["times"])) for track, entry in document.items()}
    if base and (lost := [track for track, (of, _) in derived.items() if of not in base]):
        raise ValueError(f"the parents of {lost} are missing")
    return derived


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _rate(value: Any) -> float:
    rate = float(value)
    if isinstance(value, (bool, str)) or not math.isfinite(rate) or rate < 0:
        raise ValueError(f"{value!r} is no value")
    return rate
