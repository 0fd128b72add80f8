"""Folds: how a factor follows a metric. Pure functions of the rule, the state so far and one more report.

A state is a small mapping of JSON data (infinities and nan aside), so that it can be stored and taken up again.

What a library does stands in the fields of the rule: when a report is a gain (`_better`), how many that are none it
takes (`patience_test`), what a cooldown means, and the precision. Numbers are Python's own, or NumPy's float32 where
every operation is in it, in the libraries' order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, isinf
from typing import Any

import numpy as np

from app.errors import Invalid
from app.schedules.recurrence import to_float32
from app.schedules.tree import children, map_children
from schemas.folds import Greedy, MetricFold, ReduceOnPlateau
from schemas.schedules import Clock, Float32
from schemas.specs import Spec

MAX_CHANGED = 200_000  # schedules in all the trees that changes lead to

State = Mapping[str, Any]
Scalar = Callable[[float], Any]  # float or np.float32


def initial(fold: MetricFold) -> State:
    """The state before any report."""
    worst = inf if fold.mode == "min" else -inf
    return {
        "factor": _kept(fold, fold.factor),
        "best": None if fold.first_improves else worst,
        "good": 0,
        "bad": 0,
        "waiting": 0,
        "vain": 0,
        "recent": (),  # the reports in the mean, where that moves
        "count": 0,  # their number, where it does not
        "mean": 0.0,
    }


def advance(fold: MetricFold, state: State, metric: float, scalar: Scalar = float) -> State:
    """The state after one more report, computed in the precision `scalar`. nan is no gain."""
    if isinstance(fold, ReduceOnPlateau):
        return _plateau(fold, state, metric, scalar)
    assert isinstance(fold, Greedy)
    return _greedy(fold, state, metric, scalar)


def changes(spec: Spec, metrics: Sequence[float]) -> Iterator[tuple[int, str, float]]:
    """(step, pointer, factor) of every change that reports make to the folds of a native schedule.

    Report i is made at step i and counts from step i + 1; every fold sees it, but for those on a held clock, which
    wait.
    """
    for pointer, fold, scalar in _folds(spec):
        state = initial(fold)
        with np.errstate(all="ignore"):
            for step in range(fold.since, len(metrics)):
                before, state = state["factor"], advance(fold, state, metrics[step], scalar)
                if state["factor"] != before:
                    yield step + (not fold.same_step), pointer, state["factor"]


def factors(spec: Spec, metrics: Sequence[float], limit: int = MAX_CHANGED) -> Iterator[tuple[int, Spec]]:
    """(step, schedule from that step on) at step 0 and wherever a report changes a factor.

    Raises `Invalid` for changes that make more than `limit` schedules in all.
    """
    due: dict[int, dict[str, float]] = {}
    size = _size(spec)
    for step, pointer, factor in changes(spec, metrics):
        due.setdefault(step, {})[pointer] = factor
        if len(due) * size > limit:
            raise Invalid.at("/metrics", f"they change the schedule more than {len(due) - 1:,} times; give fewer")
    if 0 not in due:
        yield 0, spec
    for step in sorted(due):
        spec = with_factors(spec, due[step])
        yield step, spec


def cost(spec: Spec) -> int:
    """About how much work a report is to the folds of a native schedule; 0 where it has none."""
    return sum(1 + (fold.window // 100 if isinstance(fold, Greedy) else 0) for _, fold, _ in _folds(spec))


def has_folds(spec: Spec) -> bool:
    """Whether any part of a native schedule follows a metric."""
    return isinstance(spec, MetricFold) or any(has_folds(child) for child, _ in children(spec))


def with_factors(spec: Spec, new: Mapping[str, float], pointer: str = "") -> Spec:
    """The schedule with the factors of its folds, by pointer, replaced."""
    spec = map_children(spec, lambda child, at: with_factors(child, new, at), pointer)
    return spec.model_copy(update={"factor": new[pointer]}) if pointer in new else spec


def _folds(spec: Spec, pointer: str = "", scalar: Scalar = float) -> Iterator[tuple[str, MetricFold, Scalar]]:
    if isinstance(spec, MetricFold):
        yield pointer, spec, scalar
    if isinstance(spec, Float32):
        scalar = np.float32
    if not (isinstance(spec, Clock) and spec.held):
        for child, at in children(spec):
            yield from _folds(child, pointer + at, scalar)


def _size(spec: Spec) -> int:
    return 1 + sum(_size(child) for child, _ in children(spec))


def _kept(fold: MetricFold, number: float) -> float:
    return to_float32(number) if fold.dtype == "float32" else float(number)


def _better(fold: MetricFold, metric: float, best: float | None, scalar: Scalar) -> bool:
    """Whether a report is a gain. The line is rounded once, as compilers fuse a multiplication and an addition."""
    if best is None:
        return True
    sign = 1.0 if fold.mode == "min" else -1.0
    line = best
    if fold.threshold_mode == "shift":
        metric = metric + sign * fold.threshold
    elif fold.threshold_mode == "abs":
        line = best - sign * fold.threshold
    elif fold.threshold_mode == "signed":
        line = best * float(scalar(1.0 - sign * fold.threshold))
    elif fold.threshold_mode == "signed_share":
        line = best - sign * (best * fold.threshold)
    elif not isinf(best):
        line = best - sign * (abs(best) * fold.threshold)
    line -= sign * float(scalar(fold.margin))
    return sign * _kept(fold, scalar(metric)) < sign * _kept(fold, scalar(line))


def _reduced(fold: ReduceOnPlateau | Greedy, factor: float) -> float:
    new = max(factor * fold.multiplier, fold.min_factor)
    return new if factor - new > fold.min_change else factor


def _plateau(fold: ReduceOnPlateau, state: State, metric: float, scalar: Scalar) -> State:
    count, mean = state["count"] + 1, scalar(metric)
    if fold.window > 1:
        mean = (state["count"] * scalar(state["mean"]) + mean) / count
    if count < fold.window:
        return {**state, "count": count, "mean": float(mean)}
    best, bad, waiting, factor = state["best"], state["bad"], state["waiting"], scalar(state["factor"])
    better = _better(fold, float(mean), best, scalar)
    state = {**state, "count": 0, "mean": 0.0}
    if waiting and fold.cooldown_style == "ignore":
        return {**state, "waiting": waiting - 1}
    best = float(mean) if better else best
    if waiting:
        waiting, bad = waiting - 1, 0
        if waiting or fold.cooldown_style == "watch":
            return {**state, "best": best, "bad": bad, "waiting": waiting}
    bad = 0 if better else bad + 1
    due = {"above": bad > fold.patience, "reached": bad >= fold.patience, "equal": bad == fold.patience}
    if due[fold.patience_test] and not (better and fold.patience_test == "reached"):
        stuck = fold.cooldown_style == "last_counts" and factor <= _kept(fold, fold.min_factor)
        if not stuck:
            bad, waiting, factor = 0, fold.cooldown, _reduced(fold, factor)
    return {**state, "best": best, "bad": bad, "waiting": waiting, "factor": _kept(fold, scalar(factor))}


def _greedy(fold: Greedy, state: State, metric: float, scalar: Scalar) -> State:
    new: dict[str, Any] = dict(state)
    mean = scalar(metric)
    if fold.window > 1:
        recent = (*state["recent"], metric)
        total = scalar(state["mean"]) + mean  # of `recent`
        if len(recent) > fold.window:
            total, recent = total - scalar(recent[0]), recent[1:]
        new |= {"recent": recent, "mean": float(total)}
        mean = total / len(recent)
    if state["waiting"]:
        return {**new, "waiting": state["waiting"] - 1, "good": 0, "bad": 0}
    best, factor = state["best"], scalar(state["factor"])
    better = _better(fold, float(mean), best, scalar)
    good, bad = (state["good"] + 1, 0) if better else (0, state["bad"] + 1)
    new |= {"good": good, "bad": bad, "best": float(mean) if better else best}
    if good > fold.patience:
        raised = min(factor / fold.multiplier, fold.max_factor)
        factor = raised if raised - factor > fold.min_change else factor
        return {**new, "factor": _kept(fold, scalar(factor)), "good": 0, "vain": 0, "waiting": fold.warmup}
    if bad > fold.patience:
        factor = _kept(fold, scalar(_reduced(fold, factor)))
        vain = state["vain"] + (factor <= _kept(fold, fold.min_factor))
        new |= {"factor": factor, "bad": 0, "vain": vain, "waiting": fold.cooldown}
        if vain > state["vain"] and vain >= fold.reset_after:
            return {**initial(fold), "factor": _kept(fold, fold.reset_to), "waiting": fold.cooldown}
    return new
