"""OLMo-core's schedulers: values by their own `get_lr`, written down again, edges, and what is refused."""

from math import cos, pi, sqrt
from typing import Any

import pytest

from tests.app.dialects.checks import gives, refused

Json = dict[str, Any]
PEAK, FLOOR, FIRST = 0.4, 0.04, 0.001


def warmup(step: int, steps: int) -> float:
    return FIRST + (PEAK - FIRST) * min(step, steps) / steps


def line(top: float, left: int, steps: int, low: float) -> float:
    return low + (top - low) * min(left, steps) / steps


def wsd(step: int, run: int, rise: int, fall: int) -> float:
    if step <= rise:
        return warmup(step, rise)
    return line(PEAK, max(run - step, 0), fall, 0.01) if step >= run - fall else PEAK


def cosine(step: int, end: int, rise: int) -> float:
    if step < rise:
        return warmup(step, rise)
    if step >= end:
        return FLOOR
    return FLOOR + (PEAK - FLOOR) * (1 + cos(pi * (step - rise) / (end - rise))) / 2


def cut(step: int, run: int, rise: int, fall: int) -> float:
    if step >= run - fall:
        return line(cosine(run - fall, run, rise), max(run - step, 0), fall, 0.01)
    return cosine(step, run, rise)


def straight(step: int, end: int, rise: int) -> float:
    if step < rise:
        return warmup(step, rise)
    return FLOOR if step >= end else PEAK - (PEAK - FLOOR) * (step - rise) / (end - rise)


def root(step: int, rise: int) -> float:
    return warmup(step, rise) if step < rise else FLOOR + (PEAK - FLOOR) * sqrt(rise / step)


def wsds(step: int, periods: list[int], rise: int, fall: int) -> float:
    """`get_lr` of WSDS, in which a step that is the end of a period belongs to it."""
    if step < rise:
        return warmup(step, rise)
    lengths = [periods[0] - rise, *periods[1:]]
    ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
    step -= rise
    if step >= ends[-1]:
        return 0.01
    index = next(place for place, end in enumerate(ends) if step <= end)
    place = step - (ends[index - 1] if index else 0)
    level = lengths[index] - fall
    return PEAK if place < level else line(PEAK, fall - (place - level), fall, 0.01)


COMMON: Json = {"base_lr": PEAK, "warmup_min_lr": FIRST, "warmup": 10}
RUN: Json = {**COMMON, "max_steps": 100}


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ({"kind": "olmo_core.ConstantWithWarmup", **COMMON}, lambda t: warmup(t, 10)),
        ({"kind": "olmo_core.WSD", **RUN, "decay": 20, "decay_min_lr": 0.01}, lambda t: wsd(t, 100, 10, 20)),
        ({"kind": "olmo_core.WSD", **RUN, "decay_min_lr": 0.01}, lambda t: wsd(t, 100, 10, 10)),
        ({"kind": "olmo_core.WSD", **RUN, "decay": 90, "decay_min_lr": 0.01}, lambda t: wsd(t, 100, 10, 90)),
        ({"kind": "olmo_core.LinearWithWarmup", **RUN}, lambda t: straight(t, 100, 10)),
        ({"kind": "olmo_core.LinearWithWarmup", **RUN, "t_max": 60}, lambda t: straight(t, 60, 10)),
        ({"kind": "olmo_core.CosWithWarmup", **RUN}, lambda t: cosine(t, 100, 10)),
        (
            {"kind": "olmo_core.CosWithWarmup", **RUN, "warmup": None, "warmup_fraction": 0.25},
            lambda t: cosine(t, 100, 25),
        ),
        ({"kind": "olmo_core.InvSqrtWithWarmup", **COMMON}, lambda t: root(t, 10)),
        (
            {"kind": "olmo_core.CosWithWarmupAndLinearDecay", **RUN, "decay": 30, "decay_min_lr": 0.01},
            lambda t: cut(t, 100, 10, 30),
        ),
        (
            {"kind": "olmo_core.WSDS", **COMMON, "period_lengths": [40, 30, 50], "decay": 8, "decay_min_lr": 0.01},
            lambda t: wsds(t, [40, 30, 50], 10, 8),
        ),
    ],
    ids=range(11),
)
def test_values(spec: Json, rule: Any) -> None:
    gives(spec, {step: rule(step) for step in range(130)})


def test_the_run_may_be_that_of_the_request() -> None:
    spec = {name: value for name, value in RUN.items() if name != "max_steps"}
    gives({"kind": "olmo_core.CosWithWarmup", **spec}, {50: cosine(50, 100, 10)}, total_steps=100)


def test_refusals_name_the_parameter() -> None:
    refused({"kind": "olmo_core.WSD", **RUN, "decay": 95}, "max_steps")
    refused({"kind": "olmo_core.WSD", **RUN, "decay": 5, "decay_fraction": 0.1}, "decay_fraction")
    refused({"kind": "olmo_core.WSD", **COMMON}, "max_steps")
    refused({"kind": "olmo_core.CosWithWarmup", **RUN, "warmup_fraction": 0.1}, "warmup_fraction")
    refused({"kind": "olmo_core.CosWithWarmup", **RUN, "warmup_min_lr": 1.0}, "warmup_min_lr")
    refused({"kind": "olmo_core.InvSqrtWithWarmup", **COMMON, "warmup": 0}, "warmup")
    refused({"kind": "olmo_core.WSDS", **COMMON, "period_lengths": [40, 5], "decay": 8}, "period_lengths")
