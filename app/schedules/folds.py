"""Folds: how a factor follows a metric. Pure functions of the rule, the state so far and one more report.

A state is a small mapping of JSON data (infinities aside), so that it can be stored and taken up again.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isinf
from typing import Any

from app.schedules.tree import children, map_children
from schemas.folds import Greedy, MetricFold, ReduceOnPlateau
from schemas.schedules import Clock
from schemas.specs import Spec

State = Mapping[str, Any]


def initial(fold: MetricFold) -> State:
    """The state before any report."""
    return {
        "factor": fold.factor,
        "best": inf if fold.mode == "min" else -inf,
        "good": 0,
        "bad": 0,
        "waiting": 0,
        "vain": 0,
        "recent": (),
    }


def advance(fold: MetricFold, state: State, metric: float) -> State:
    """The state after one more report. nan is never an improvement."""
    if isinstance(fold, ReduceOnPlateau):
        return _plateau(fold, state, metric)
    assert isinstance(fold, Greedy)
    return _greedy(fold, state, metric)


def factors(spec: Spec, metrics: Sequence[float]) -> Iterator[tuple[int, Spec]]:
    """(step, schedule from that step on) at step 0 and wherever a report changes a factor.

    Report i is made at step i and counts from step i + 1; every fold of the (native) schedule sees it, but for those
    on a held clock, which wait.
    """
    found = dict(_folds(spec))
    states = {pointer: initial(fold) for pointer, fold in found.items()}
    yield 0, spec
    for step, metric in enumerate(metrics):
        changed = False
        for pointer, fold in found.items():
            if step >= fold.since:
                before, states[pointer] = states[pointer], advance(fold, states[pointer], metric)
                changed |= before["factor"] != states[pointer]["factor"]
        if changed:
            yield step + 1, with_factors(spec, {pointer: state["factor"] for pointer, state in states.items()})


def has_folds(spec: Spec) -> bool:
    """Whether any part of a native schedule follows a metric."""
    return isinstance(spec, MetricFold) or any(has_folds(child) for child, _ in children(spec))


def with_factors(spec: Spec, new: Mapping[str, float], pointer: str = "") -> Spec:
    """The schedule with the factors of its folds, by pointer, replaced."""
    spec = map_children(spec, lambda child, at: with_factors(child, new, at), pointer)
    return spec.model_copy(update={"factor": new[pointer]}) if pointer in new else spec


def _folds(spec: Spec, pointer: str = "") -> Iterator[tuple[str, MetricFold]]:
    if isinstance(spec, MetricFold):
        yield pointer, spec
    if not (isinstance(spec, Clock) and spec.held):
        for child, at in children(spec):
            yield from _folds(child, pointer + at)


def _better(fold: MetricFold, metric: float, best: float) -> bool:
    sign = 1.0 if fold.mode == "min" else -1.0
    if fold.threshold_mode == "signed":
        line = best * (1.0 - sign * fold.threshold)
    elif fold.threshold_mode == "abs":
        line = best - sign * fold.threshold
    else:
        line = best if isinf(best) else best - sign * fold.threshold * abs(best)
    return sign * metric < sign * (line - sign * fold.margin)


def _reduced(fold: ReduceOnPlateau | Greedy, factor: float) -> float:
    new = max(factor * fold.multiplier, fold.min_factor)
    return new if factor - new > fold.min_change else factor


def _plateau(fold: ReduceOnPlateau, state: State, metric: float) -> State:
    recent = (*state["recent"], metric)
    if len(recent) < fold.window:
        return {**state, "recent": recent}
    mean = sum(recent) / len(recent)
    best, bad, waiting, factor = state["best"], state["bad"], state["waiting"], state["factor"]
    better = _better(fold, mean, best)
    if waiting and fold.cooldown_style == "ignore":
        return {**state, "recent": (), "waiting": waiting - 1}
    best = mean if better else best
    if waiting:
        waiting -= 1
        bad = 0
        if waiting or fold.cooldown_style == "watch":
            return {**state, "recent": (), "best": best, "bad": bad, "waiting": waiting}
    bad = 0 if better else bad + 1
    due = {"above": bad > fold.patience, "reached": bad >= fold.patience, "equal": bad == fold.patience}
    if due[fold.patience_test] and not (better and fold.patience_test == "reached"):
        new = _reduced(fold, factor)
        # keras leaves its counters alone where the factor is at its minimum already
        if not (fold.cooldown_style == "last_counts" and factor <= fold.min_factor):
            bad, waiting = 0, fold.cooldown
        factor = new
    return {**state, "recent": (), "best": best, "bad": bad, "waiting": waiting, "factor": factor}


def _greedy(fold: Greedy, state: State, metric: float) -> State:
    recent = (*state["recent"], metric)[-fold.window :]
    mean = sum(recent) / len(recent)
    if state["waiting"]:
        return {**state, "recent": recent, "waiting": state["waiting"] - 1, "good": 0, "bad": 0}
    better = _better(fold, mean, state["best"])
    good, bad = (state["good"] + 1, 0) if better else (0, state["bad"] + 1)
    new: dict[str, Any] = {**state, "recent": recent, "good": good, "bad": bad}
    factor = state["factor"]
    if better:
        new["best"] = mean
    if good > fold.patience:
        raised = min(factor / fold.multiplier, fold.max_factor)
        new |= {"factor": raised if raised - factor > fold.min_change else factor, "good": 0, "vain": 0}
        new["waiting"] = fold.warmup
    elif bad > fold.patience:
        new |= {"factor": _reduced(fold, factor), "bad": 0, "waiting": fold.cooldown}
        if new["factor"] <= fold.min_factor:
            new["vain"] = state["vain"] + 1
            if new["vain"] >= fold.reset_after:
                return {**initial(fold), "factor": 1.0}
    return new
