"""OLMo-core's schedulers: values by their own `get_lr`, written down again, edges, and what is refused."""

from math import cos, exp, log, pi, sqrt
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


def half(step: int, end: int, rise: int) -> float:
    """The later half of a cosine of twice the length, of which the warm-up comes to the middle."""
    if step < rise:
        return FIRST + ((PEAK + FLOOR) / 2 - FIRST) * step / rise
    return cosine(min(step, end) + end - rise, 2 * end - rise, rise)


def power(step: int, run: int, rise: int, fall: int) -> float:
    if step <= rise:
        return warmup(step, rise)
    if step < run - fall:
        return PEAK * exp(-0.7 * log(step / rise))
    return line(PEAK * exp(-0.7 * log((run - fall) / rise)), max(run - step, 0), fall, 0.01)


def in_sequence(step: int) -> float:
    """A cosine of 40 steps without warm-up to a quarter, half of a warm-up of 20 from there, a line of 30 to 0."""
    if step <= 40:
        return PEAK * (0.25 + 0.75 * (1 + cos(pi * step / 40)) / 2)
    if step <= 50:
        return 0.1 * (step - 40) / 20
    return 0.05 * (1 - min(step - 50, 30) / 30)


def staged(step: int) -> float:
    if step < 10:
        return 0.02 * step
    if step < 30:
        return 0.05 + 0.15 * (1 + cos(pi * (step - 10) / 20)) / 2
    return 0.4 - 0.01 * (step - 30) if step < 70 else 0.0


SEQUENCE: Json = {
    "kind": "olmo_core.SequentialScheduler",
    "base_lr": PEAK,
    "max_steps": 80,
    "schedulers": [
        {"kind": "olmo_core.CosWithWarmup", "warmup": 0, "alpha_f": 0.25},
        {"kind": "olmo_core.ConstantWithWarmup", "warmup": 20},
        {"kind": "olmo_core.LinearWithWarmup", "warmup": 0, "alpha_f": 0.0},
    ],
    "schedulers_max": [40, 10],
}
STAGES: Json = {
    "kind": "olmo_core.ComposableScheduler",
    "base_lr": PEAK,
    "stages": [
        {"duration": 10, "start_lr": 0.0, "end_lr_fraction": 0.5},
        {"duration": 20, "shape": "cosine", "end_lr": 0.05},
        {"duration": 40, "start_lr_fraction": 1.0, "end_lr": 0.0},
    ],
}
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
        (
            {
                "kind": "olmo_core.WSDS",
                **COMMON,
                "warmup": 0,
                "period_lengths": [40, 30],
                "period_lr_multipliers": [0.5, 2.0],
                "decay": 8,
            },
            lambda t: line(PEAK / 2, 40 - t, 8, 0.0) if t <= 40 else line(2 * PEAK, max(70 - t, 0), 8, 0.0),
        ),
        ({"kind": "olmo_core.HalfCosWithWarmup", **RUN}, lambda t: half(t, 100, 10)),
        ({"kind": "olmo_core.HalfCosWithWarmup", **RUN, "t_max": 60}, lambda t: half(t, 60, 10)),
        (
            {"kind": "olmo_core.PowerLR", **RUN, "b": -0.7, "decay": 20, "decay_min_lr": 0.01},
            lambda t: power(t, 100, 10, 20),
        ),
        ({"kind": "olmo_core.ConstantScheduler", "base_lr": PEAK}, lambda t: PEAK),
        (
            {"kind": "olmo_core.ExponentialScheduler", "base_lr": PEAK, "lr_min": FIRST, "max_steps": 100},
            lambda t: FIRST * 400.0 ** (min(t, 100) / 100),
        ),
        (SEQUENCE, in_sequence),
        ({**SEQUENCE, "schedulers_max": [40, 10, 7]}, in_sequence),
        ({**SEQUENCE, "schedulers_max": [100, 10], "max_steps": 40}, lambda t: in_sequence(min(t, 40))),
        (STAGES, staged),
    ],
    ids=range(21),
)
def test_values(spec: Json, rule: Any) -> None:
    gives(spec, {step: rule(step) for step in range(130)})


MEMBERS: list[tuple[Json, float]] = [
    ({"kind": "olmo_core.ConstantScheduler"}, PEAK),
    ({"kind": "olmo_core.ConstantWithWarmup", "warmup": 50}, warmup(100, 50)),
    ({"kind": "olmo_core.ConstantWithWarmup", "warmup": 200}, warmup(100, 200)),
    ({"kind": "olmo_core.ExponentialScheduler"}, PEAK),
    ({"kind": "olmo_core.WSD", "warmup": 10, "decay_min_lr": 0.01}, 0.01),
    ({"kind": "olmo_core.WSDS", "warmup": 10, "decay": 5, "decay_min_lr": 0.01, "period_lengths": [50, 50]}, 0.01),
    ({"kind": "olmo_core.PowerLR", "warmup": 10, "decay_min_lr": 0.01}, 0.01),
    ({"kind": "olmo_core.LinearWithWarmup", "warmup": 10}, FLOOR),
    ({"kind": "olmo_core.LinearWithWarmup", "warmup": 10, "t_max": 150}, straight(100, 150, 10)),
    ({"kind": "olmo_core.CosWithWarmup", "warmup": 10, "t_max": 150}, cosine(100, 150, 10)),
    ({"kind": "olmo_core.HalfCosWithWarmup", "warmup": 10, "t_max": 150}, half(100, 150, 10)),
    ({"kind": "olmo_core.CosWithWarmupAndLinearDecay", "warmup": 10, "decay_min_lr": 0.01}, 0.01),
    ({"kind": "olmo_core.InvSqrtWithWarmup", "warmup": 10}, root(100, 10)),
    ({key: STAGES[key] for key in ("kind", "stages")}, 0.0),
    ({key: SEQUENCE[key] for key in ("kind", "schedulers", "schedulers_max")}, 0.0),
]


@pytest.mark.parametrize(("member", "last"), MEMBERS, ids=range(len(MEMBERS)))
def test_the_next_in_a_sequence_has_the_last_rate_of_the_one_before(member: Json, last: float) -> None:
    first = member | ({"warmup_min_lr": FIRST} if "warmup" in member else {})
    spec = {**SEQUENCE, "schedulers": [first, {"kind": "olmo_core.ConstantScheduler"}], "schedulers_max": [100]}
    gives({**spec, "max_steps": 200}, {100: last, 101: last, 150: last})


def test_the_run_may_be_that_of_the_request() -> None:
    spec = {name: value for name, value in RUN.items() if name != "max_steps"}
    gives({"kind": "olmo_core.CosWithWarmup", **spec}, {50: cosine(50, 100, 10)}, total_steps=100)
    sequence = {name: value for name, value in SEQUENCE.items() if name != "max_steps"}
    gives(sequence, {step: in_sequence(step) for step in range(90)}, total_steps=80)


def test_refusals_name_the_parameter() -> None:
    refused({"kind": "olmo_core.WSD", **RUN, "decay": 95}, "max_steps")
    refused({"kind": "olmo_core.WSD", **RUN, "decay": 5, "decay_fraction": 0.1}, "decay_fraction")
    refused({"kind": "olmo_core.WSD", **COMMON}, "max_steps")
    refused({"kind": "olmo_core.CosWithWarmup", **RUN, "warmup_fraction": 0.1}, "warmup_fraction")
    refused({"kind": "olmo_core.CosWithWarmup", **RUN, "warmup_min_lr": 1.0}, "warmup_min_lr")
    refused({"kind": "olmo_core.InvSqrtWithWarmup", **COMMON, "warmup": 0}, "warmup")
    refused({"kind": "olmo_core.WSDS", **COMMON, "period_lengths": [40, 5], "decay": 8}, "period_lengths")
    refused({"kind": "olmo_core.WSDS", **COMMON, "period_lengths": [40], "period_lr_multipliers": []}, "multipliers")
    refused({"kind": "olmo_core.PowerLR", **RUN, "b": 0.5}, "b")
    refused({"kind": "olmo_core.PowerLR", **RUN, "warmup": 0}, "warmup")
    refused({"kind": "olmo_core.ExponentialScheduler", "base_lr": PEAK, "max_steps": 9, "lr_min": 0.0}, "lr_min")
    refused({**SEQUENCE, "schedulers_max": [40]}, "schedulers_max")
    refused({**SEQUENCE, "schedulers": [{"kind": "constant", "value": 0.1}], "schedulers_max": []}, "constant")
    for own in ("base_lr", "max_steps"):
        member = {"kind": "olmo_core.ConstantScheduler", own: 5}
        refused({**SEQUENCE, "schedulers": [member], "schedulers_max": []}, own)
    for cut in ({"kind": "olmo_core.WSDS", "warmup": 0, "period_lengths": [90]}, {**STAGES, "base_lr": None}):
        member = {key: value for key, value in cut.items() if value is not None}
        refused({**SEQUENCE, "schedulers": [member] * 2, "schedulers_max": [60]}, "must fit into the steps")
    refused({**STAGES, "stages": [{"duration": 5}]}, "end_lr")
    refused({**STAGES, "stages": [{"duration": 5, "end_lr": 0.1, "end_lr_fraction": 0.5}]}, "end_lr_fraction")
    refused(
        {**STAGES, "stages": [{"duration": 5, "end_lr": 0.1, "start_lr": 0.1, "start_lr_fraction": 1.0}]}, "start_lr"
    )
