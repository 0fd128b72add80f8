"""detectron2: the SOLVER section of its YAML, whose schedulers are fvcore's with a warm-up before them."""

import ast
from bisect import bisect_right
from math import cos, pi
from typing import Any

from app.reading import Fields, Found, Given, Json, reads

EPSILON = 1e-6  # fvcore's, by which a milestone comes early
SCHEDULERS = ("WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR")
FIELDS = (
    *("LR_SCHEDULER_NAME", "BASE_LR", "BASE_LR_END", "MAX_ITER", "STEPS", "GAMMA", "NUM_DECAYS", "RESCALE_INTERVAL"),
    *("WARMUP_ITERS", "WARMUP_FACTOR", "WARMUP_METHOD"),
)
WHY = {
    "IMS_PER_BATCH": "a step is an update, whatever its size",
    "BIAS_LR_FACTOR": "a factor on the rate of biases: a derived track",
    "WEIGHT_DECAY": "constant: no scheduler drives it",
    "WEIGHT_DECAY_NORM": "constant: no scheduler drives it",
    "WEIGHT_DECAY_BIAS": "constant: no scheduler drives it",
    "MOMENTUM": "constant: no scheduler drives it",
}
REFUSED = {
    "REFERENCE_WORLD_SIZE": "with another number of workers the rate and the lengths are scaled: write them so",
    "BACKBONE_MULTIPLIER": "the backbone has a rate of its own: write a derived track",
}


@reads(
    "detectron2",
    source="detectron2.solver.build_lr_scheduler, detectron2 0.6; fvcore's schedulers",
    checked="the formula of its source; fvcore's schedulers, as kinds, against fvcore",
    marks=("SOLVER.BASE_LR", "SOLVER.MAX_ITER", "SOLVER.STEPS", "SOLVER.LR_SCHEDULER_NAME", "BASE_LR MAX_ITER"),
    fields=("SOLVER", *FIELDS),
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`. What is left out is detectron2's default, unless another file says it."""
    solver = fields.inside("SOLVER") if "SOLVER" in fields else fields
    if "_BASE_" in fields and (missing := [name for name in ("BASE_LR", "MAX_ITER") if name not in solver]):
        raise fields.bad("_BASE_", f"it may say `{missing[0]}`, which is not here: import the two as one")
    base, steps = (
        solver.number("BASE_LR", given.base_lr or 0.001),
        solver.whole("MAX_ITER", given.total_steps or 40_000),
    )
    if not base > 0 or not steps:
        raise solver.bad("BASE_LR" if steps else "MAX_ITER", "this must be above 0")
    name = solver.choice("LR_SCHEDULER_NAME", SCHEDULERS, "WarmupMultiStepLR")
    if name == "WarmupCosineLR":
        end = solver.number("BASE_LR_END", 0.0) / base
        curve: Json = {"kind": "fvcore.CosineParamScheduler", "start_value": 1.0, "end_value": end}
    else:
        curve = _stairs(solver, name, steps)
    spec = {"kind": "scale", "factor": base, "of": _warmed(solver, curve, steps)}
    if solver is not fields:
        solver.settle(WHY, REFUSED, FIELDS)
    return Found({"lr": spec}, names={"factor": solver.at("BASE_LR"), "num_updates": solver.at("MAX_ITER")})


def _stairs(solver: Fields, name: str, steps: int) -> Json:
    gamma = solver.number("GAMMA", 0.1)
    if name == "WarmupStepWithFixedGammaLR":
        decays = solver.whole("NUM_DECAYS", 3)
        spec = {"base_value": 1.0, "num_decays": decays, "gamma": gamma, "num_updates": steps}
        return {"kind": "fvcore.StepWithFixedGammaParamScheduler"} | spec
    marks = [mark for mark in _tuple(solver, "STEPS", [30_000]) if mark <= steps]
    values = [gamma**count for count in range(len(marks) + 1)]
    return {"kind": "fvcore.MultiStepParamScheduler", "values": values, "milestones": marks, "num_updates": steps}


def _warmed(solver: Fields, curve: Json, steps: int) -> Json:
    """The curve after a warm-up, which leads to what the curve has where it ends."""
    length = min(solver.number("WARMUP_ITERS", 1000) / steps, 1.0)
    method = solver.choice("WARMUP_METHOD", ("linear", "constant"), "linear")
    start, end = solver.number("WARMUP_FACTOR", 0.001), _at(curve, length)
    if length == 0:
        return curve | {"num_updates": steps}
    rise: Json = {"kind": "fvcore.ConstantParamScheduler", "value": start}
    if method == "linear":
        rise = {"kind": "fvcore.LinearParamScheduler", "start_value": start, "end_value": end}
    if length == 1:
        return rise | {"num_updates": steps}
    scaling = ["rescaled", "rescaled" if solver.flag("RESCALE_INTERVAL", False) else "fixed"]
    parts = {"schedulers": [rise, curve], "lengths": [length, 1.0 - length], "interval_scaling": scaling}
    return {"kind": "fvcore.CompositeParamScheduler", "num_updates": steps} | parts


def _at(curve: Json, where: float) -> float:
    """The value of a curve at a share of the run, as fvcore has it."""
    if curve["kind"] == "fvcore.CosineParamScheduler":
        return float(curve["end_value"] + 0.5 * (1.0 - curve["end_value"]) * (1 + cos(pi * where)))
    if curve["kind"] == "fvcore.StepWithFixedGammaParamScheduler":
        count = curve["num_decays"] + 1
        return float(curve["gamma"] ** min(int((where + EPSILON) * count), count - 1))
    reached = bisect_right(curve["milestones"], int((where + EPSILON) * curve["num_updates"]))
    return float(curve["values"][reached])


def _tuple(solver: Fields, name: str, default: list[int]) -> list[int]:
    """Whole numbers; in YAML detectron2 takes a text such as "(60000, 80000)" for the tuple."""
    value: Any = solver.get(name, default)
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
    value = [value] if isinstance(value, int) else value
    if not isinstance(value, list | tuple) or not all(type(mark) is int and mark >= 0 for mark in value):
        raise solver.bad(name, "this must be a list of steps, such as [60000, 80000]")
    return [*value]
