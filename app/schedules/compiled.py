"""A plan ready to be evaluated."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import Invalid, escape
from app.schedules.build import Budget, build, lower
from app.schedules.curves import Curve
from app.schedules.durations import resolve
from app.schedules.folds import MAX_CHANGED, cost, factors, has_folds
from schemas.plans import Plan, TrackSpec
from schemas.specs import Spec

CHUNK = 65536  # values computed at a time: small enough to stay in the cache of a core
MAX_JOINS = 4096
MAX_CACHED_PLANS = 256
MAX_REPORTS = 2_000_000  # of metrics, to all folds of a plan together

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Derived:
    """A track that is `times` another one."""

    of: str
    times: float


class CompiledPlan:
    """The curves of a plan's tracks. Values are float64, whatever the precision of the computation.

    `native` has the base tracks in native kinds, which the curves were built from.
    """

    def __init__(self, native: Mapping[str, Spec], curves: Mapping[str, Curve], derived: Mapping[str, Derived]) -> None:
        self.native = dict(native)
        self._curves = dict(curves)
        self.base = tuple(sorted(curves))
        self.derived = dict(derived)

    def values(self, track: str, start: int, stop: int, stride: int = 1) -> Values:
        """The values at start, start + stride, ... below stop: the same bits as the slice of the whole curve."""
        values = np.empty(max(0, -(-(stop - start) // stride)))
        curve, times = self._of(track)
        with np.errstate(all="ignore"):
            for first in range(0, values.size, CHUNK):
                part = values[first : first + CHUNK]
                begin = start + first * stride
                if stride == 1:
                    curve.fill(float(begin), part)
                else:
                    part[:] = curve(np.arange(begin, begin + part.size * stride, stride).astype(np.float64))
            if times is not None:
                values *= times
        return values

    def at(self, track: str, steps: ArrayLike) -> Values:
        """The values at any steps, in the order given."""
        steps = np.atleast_1d(np.asarray(steps, dtype=np.int64))
        values = np.empty(steps.shape)
        curve, times = self._of(track)
        with np.errstate(all="ignore"):
            for first in range(0, values.size, CHUNK):
                where = slice(first, first + CHUNK)
                values[where] = curve(steps[where].astype(np.float64))
            if times is not None:
                values *= times
        return values

    def cost(self) -> int:
        """About how many passes over an array it takes to evaluate every base track once."""
        return sum(curve.cost() for curve in self._curves.values())

    def joins(self, track: str, start: int, stop: int, most: int = MAX_JOINS) -> list[int]:
        """The steps in [start, stop) that begin a new piece of the curve; at most `most` of them, the first found."""
        curve, _ = self._of(track)
        found = islice(curve.joins(start - 1, stop - 1), most)
        steps = {ceil(join - 1e-12 * abs(join)) for join in found}  # a stretched clock leaves 1000.0000000000001
        return sorted(step for step in steps if start <= step < stop)

    def _of(self, track: str) -> tuple[Curve, float | None]:
        derived = self.derived.get(track)
        return (self._curves[track], None) if derived is None else (self._curves[derived.of], derived.times)


_cache: OrderedDict[str, CompiledPlan] = OrderedDict()
_lock = Lock()


def compile_plan(plan: Plan) -> CompiledPlan:
    """The plan ready to be evaluated; recently used ones are kept. Raises `Invalid`."""
    key = plan.model_dump_json(exclude_unset=True)
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    compiled = _compile(plan)
    with _lock:
        _cache[key] = compiled
        while len(_cache) > MAX_CACHED_PLANS:
            _cache.popitem(last=False)
    return compiled


def compile_folded(plan: Plan, metrics: Sequence[float]) -> list[tuple[int, CompiledPlan]]:
    """(step, compiled plan from that step on) at step 0 and wherever a metric, reported at step i, changes a factor.

    Raises `Invalid` for more reports or changes than a request should make.
    """
    compiled = compile_plan(plan)
    native = compiled.native
    if len(metrics) * sum(cost(spec) for spec in native.values()) > MAX_REPORTS:
        raise Invalid.at("/metrics", f"{len(metrics):,} reports are too many for what follows them here; give fewer")
    changes: dict[int, dict[str, Spec]] = {}
    for name, spec in native.items():
        for step, changed in factors(spec, metrics, MAX_CHANGED // len(native)):
            changes.setdefault(step, {})[name] = changed
    curves: dict[str, Curve] = {}
    pieces = []
    for step in sorted(changes):
        native = native | changes[step]
        curves |= {name: build(spec) for name, spec in changes[step].items()}
        pieces.append((step, CompiledPlan(native, curves, compiled.derived)))
    return pieces


def follows_metric(plan: Plan) -> bool:
    """Whether any track of the plan follows a metric."""
    return any(has_folds(spec) for spec in compile_plan(plan).native.values())


def _compile(plan: Plan) -> CompiledPlan:
    budget, native, derived = Budget(), {}, {}
    for name, track in resolve(plan).tracks.items():
        if isinstance(track, TrackSpec):
            derived[name] = Derived(track.of, track.factor)
        else:
            native[name] = lower(track, f"/tracks/{escape(name)}", budget=budget)
    return CompiledPlan(native, {name: build(spec) for name, spec in native.items()}, derived)
