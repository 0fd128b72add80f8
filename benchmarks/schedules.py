"""One million values of every native kind, against filling an array and against the same formula in plain NumPy.

Plain NumPy is what somebody would write who needs this one schedule: whole-array operations, nothing prepared. The
figures are ratios of the shortest times in seven rounds.
"""

import time
from collections.abc import Callable, Iterator
from math import cos, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.schedules import CompiledPlan, compile_plan, resolve
from app.schedules.build import build, lower
from schemas.plans import Plan

HEADS = ("one million values", "over `np.empty` + fill", "over plain NumPy")
PACKAGES = ("numpy", "torch")
COUNT = 1_000_000
ROUNDS = 7
STEPPED = 20_000  # steps of torch's scheduler, scaled up

Values = NDArray[np.float64]
COSINE = {"kind": "ramp", "shape": "cosine", "start": 3e-4, "end": 3e-5, "steps": 980_000}
WARM_COSINE = {"kind": "warmup", "steps": 20_000, "then": COSINE}


def ramp(shape: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "ramp", "shape": shape, "start": 0.1, "end": 0.01, "steps": 900_000, **fields}


def warm_cosine(t: Values) -> Values:
    p = np.minimum((t - 20_000) / 980_000, 1)
    return np.where(t < 20_000, 3e-4 * t / 20_000, 3e-5 + 2.7e-4 * 0.5 * (1 + np.cos(np.pi * p)))


def cycles(t: Values) -> Values:
    return 0.1 * (1 - (t % 1000) / 1000) * 0.9 ** (t // 1000)


def growing(t: Values) -> Values:
    cycle = np.floor(np.log2(t / 1000 + 1))
    start = 1000 * (2.0**cycle - 1)
    return 0.1 * (1 - (t - start) / (1000 * 2.0**cycle))


def recurrence(t: Values) -> Values:
    """torch's recursive cosine, which has to go from step to step."""
    values = np.empty(t.size)
    values[0] = value = 0.1
    for step in range(1, t.size):
        value = value * (1 + cos(pi * step / 2e6)) / (1 + cos(pi * (step - 1) / 2e6))
        values[step] = value
    return values


def narrow(t: Values) -> Values:
    return (np.float32(0.1) * np.float32(0.5) ** (t.astype(np.float32) / np.float32(1e5))).astype(np.float64)


KNOTS = [[0, 0.1], [250_000, 0.05], [500_000, 0.01], [900_000, 0.001]]
X, Y = np.array(KNOTS).T
FALL = ramp("linear", end=0.0, steps=1000)

CASES: list[tuple[str, dict[str, Any], Callable[[Values], Values]]] = [
    ("warm-up + cosine", WARM_COSINE, warm_cosine),
    ("constant", {"kind": "constant", "value": 0.1}, lambda t: np.full(t.shape, 0.1)),
    ("ramp, linear", ramp("linear"), lambda t: 0.1 - 0.09 * np.minimum(t / 9e5, 1)),
    ("ramp, cosine", ramp("cosine"), lambda t: 0.01 + 0.045 * (1 + np.cos(np.pi * np.minimum(t / 9e5, 1)))),
    ("ramp, polynomial", ramp("polynomial", power=2.5), lambda t: 0.01 + 0.09 * (1 - np.minimum(t / 9e5, 1)) ** 2.5),
    ("ramp, power", ramp("power", power=0.5), lambda t: 0.1 - 0.09 * np.minimum(t / 9e5, 1) ** 0.5),
    ("ramp, exponential", ramp("exponential"), lambda t: 0.1 * 0.1 ** np.minimum(t / 9e5, 1)),
    ("exponential", {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": 1e5}, lambda t: 0.1 * 0.5 ** (t / 1e5)),
    (
        "exponential, staircase",
        {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": 1e5, "staircase": True},
        lambda t: 0.1 * 0.5 ** (t // 1e5),
    ),
    ("inverse_time", {"kind": "inverse_time", "start": 0.1, "rate": 1e-4}, lambda t: 0.1 / (1 + 1e-4 * t)),
    (
        "inverse_time, power 0.5",
        {"kind": "inverse_time", "start": 0.1, "steps": 4000, "power": 0.5},
        lambda t: 0.1 * (1 + t / 4000) ** -0.5,
    ),
    ("interpolate, hold", {"kind": "interpolate", "points": KNOTS}, lambda t: Y[np.searchsorted(X, t, "right") - 1]),
    ("interpolate, linear", {"kind": "interpolate", "points": KNOTS, "shape": "linear"}, lambda t: np.interp(t, X, Y)),
    (
        "formula",
        {"kind": "formula", "expression": "0.1 * min(1, (step + 1)/4000) * (1 + step/4000)**-0.5"},
        lambda t: 0.1 * np.minimum(1, (t + 1) / 4000) * (1 + t / 4000) ** -0.5,
    ),
    (
        "iterate",
        {
            "kind": "iterate",
            "start": 0.1,
            "update": "value * (1 + cos(pi*step/2e6)) / (1 + cos(pi*(step - 1)/2e6))",
        },
        recurrence,
    ),
    (
        "sequence",
        {"kind": "sequence", "phases": [{"schedule": FALL, "steps": 500_000}, {"schedule": ramp("linear")}]},
        lambda t: np.where(
            t < 500_000, 0.1 * (1 - np.minimum(t / 1000, 1)), 0.1 - 0.09 * np.minimum((t - 500_000) / 9e5, 1)
        ),
    ),
    ("repeat", {"kind": "repeat", "of": FALL, "steps": 1000, "decay": 0.9}, cycles),
    ("repeat, growing", {"kind": "repeat", "of": FALL, "steps": 1000, "growth": 2.0}, growing),
    (
        "sum",
        {"kind": "sum", "of": [ramp("linear"), {"kind": "constant", "value": 0.1}]},
        lambda t: 0.1 - 0.09 * np.minimum(t / 9e5, 1) + 0.1,
    ),
    (
        "product",
        {"kind": "product", "of": [ramp("linear"), ramp("linear")]},
        lambda t: (0.1 - 0.09 * np.minimum(t / 9e5, 1)) * (0.1 - 0.09 * np.minimum(t / 9e5, 1)),
    ),
    (
        "scale",
        {"kind": "scale", "factor": 0.5, "of": ramp("linear")},
        lambda t: 0.5 * (0.1 - 0.09 * np.minimum(t / 9e5, 1)),
    ),
    (
        "clamp",
        {"kind": "clamp", "of": ramp("linear"), "min": 0.03},
        lambda t: np.maximum(0.1 - 0.09 * np.minimum(t / 9e5, 1), 0.03),
    ),
    (
        "clock",
        {"kind": "clock", "of": ramp("linear"), "to": 1e6, "end": 9e5},
        lambda t: 0.1 - 0.09 * np.minimum(t * 0.9 / 9e5, 1),
    ),
    (
        "float32",
        {"kind": "float32", "of": {"kind": "exponential", "start": 0.1, "rate": 0.5, "steps": 1e5}},
        narrow,
    ),
]


def seconds(call: Callable[[], object]) -> float:
    """Processor time, so that what else the machine does hardly counts."""
    start = time.process_time()
    call()
    return time.process_time() - start


def compared(schedule: dict[str, Any], plain: Callable[[Values], Values]) -> tuple[float, float]:
    """(over filling an array, over plain NumPy)."""

    tracks = {"lr": lower(resolve(Plan.model_validate({"tracks": {"lr": schedule}})).tracks["lr"])}

    def ours() -> Values:  # built anew, because a recurrence remembers
        return CompiledPlan(tracks, {"lr": build(tracks["lr"])}, {}).values("lr", 0, COUNT)

    def theirs() -> Values:
        with np.errstate(all="ignore"):
            return plain(np.arange(COUNT, dtype=np.float64))

    scale = float(np.max(np.abs(theirs())))
    worst = float(np.max(np.abs(ours() - theirs())))
    assert worst <= (1e-6 if schedule["kind"] == "float32" else 1e-9) * scale, (schedule, worst)
    own, others, fill = (  # each by itself, so that all of them find warm memory
        min(seconds(call) for _ in range(ROUNDS)) for call in (ours, theirs, lambda: np.empty(COUNT).fill(0.1))
    )
    return own / fill, own / others


def stepping() -> str:
    """How many times longer torch's own scheduler takes for the same values."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=980_000, eta_min=3e-5)

    def step() -> None:
        for _ in range(STEPPED):
            optimizer.step()
            scheduler.step()

    plan = compile_plan(Plan.model_validate({"tracks": {"lr": WARM_COSINE}}))
    ours = min(seconds(lambda: plan.values("lr", 0, COUNT)) for _ in range(ROUNDS))
    idle = seconds(lambda: [optimizer.step() for _ in range(STEPPED)])
    return f"{(seconds(step) - idle) * COUNT / STEPPED / ours:,.0f}"


def rows() -> Iterator[tuple[str, str, str]]:
    """Every native kind, then what people do without us."""
    for name, schedule, plain in CASES:
        filled, numpy = compared(schedule, plain)
        yield name, f"{filled:.1f}", f"{numpy:.2f}"
    yield "the same values by stepping torch's CosineAnnealingLR, over warm-up + cosine here", "", stepping()
