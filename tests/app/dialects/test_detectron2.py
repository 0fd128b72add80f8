"""detectron2's SOLVER: its warm-up before fvcore's schedulers, worked out again from its own functions."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]


def multiplier(step: int, curve: Any, steps: int, warmup: int, factor: float, method: str, rescale: bool) -> float:
    """WarmupParamScheduler over a curve of the share of the run that is done."""
    where, length = step / steps, min(warmup / steps, 1.0)
    if where + 1e-6 <= length:
        first, last = factor * curve(0.0), curve(length)
        return float(first if method == "constant" else first + (last - first) * where / length)
    return float(curve((where - length) / (1 - length) if rescale else where))


def stairs(where: float) -> float:
    return float(0.1 ** sum(int((where + 1e-6) * 900) >= mark for mark in (600, 800)))


def cosine(where: float) -> float:
    return 0.01 + 0.99 * (1 + cos(pi * where)) / 2


def fixed(where: float) -> float:
    return float(0.5 ** min(int((where + 1e-6) * 4), 3))


MULTISTEP: Json = {"BASE_LR": 0.02, "STEPS": [600, 800], "MAX_ITER": 900, "WARMUP_ITERS": 100, "GAMMA": 0.1}
COSINE: Json = {"BASE_LR": 0.02, "LR_SCHEDULER_NAME": "WarmupCosineLR", "MAX_ITER": 900, "BASE_LR_END": 0.0002}
FIXED: Json = {"BASE_LR": 0.02, "LR_SCHEDULER_NAME": "WarmupStepWithFixedGammaLR", "MAX_ITER": 900, "GAMMA": 0.5}


@pytest.mark.parametrize(
    ("solver", "curve", "warmup", "factor", "method", "rescale"),
    [
        (MULTISTEP, stairs, 100, 0.001, "linear", False),
        ({**MULTISTEP, "WARMUP_FACTOR": 0.1, "WARMUP_METHOD": "constant"}, stairs, 100, 0.1, "constant", False),
        ({**MULTISTEP, "WARMUP_ITERS": 700}, stairs, 700, 0.001, "linear", False),
        ({**MULTISTEP, "WARMUP_ITERS": 0}, stairs, 0, 0.001, "linear", False),
        ({**COSINE, "WARMUP_ITERS": 100}, cosine, 100, 0.001, "linear", False),
        ({**COSINE, "WARMUP_ITERS": 100, "RESCALE_INTERVAL": True}, cosine, 100, 0.001, "linear", True),
        ({**FIXED, "WARMUP_ITERS": 50}, fixed, 50, 0.001, "linear", False),
    ],
    ids=range(7),
)
def test_values(solver: Json, curve: Any, warmup: int, factor: float, method: str, rescale: bool) -> None:
    steps = [*range(1, 900, 7), 1, 99, 101, 599, 600, 601, 799, 801, 899]
    expected = {step: 0.02 * multiplier(step, curve, 900, warmup, factor, method, rescale) for step in steps}
    answer = means({"SOLVER": {**solver, "IMS_PER_BATCH": 16, "WEIGHT_DECAY": 1e-4}, "MODEL": {}}, expected)
    assert answer["library"] == "detectron2"


def test_a_text_that_looks_like_a_tuple_is_one() -> None:
    text = "SOLVER:\n  BASE_LR: 0.02\n  STEPS: (600, 800)\n  MAX_ITER: 900\n  WARMUP_ITERS: 10\n"
    means(text, {599: 0.02, 600: 0.002, 800: 0.0002})
    means(text.replace("(600, 800)", "(600,)"), {800: 0.002})
    not_read(text.replace("(600, 800)", "(600, x)"), "/text/SOLVER/STEPS", "line 3")


@pytest.mark.parametrize(
    ("config", "pointer", "said"),
    [
        ({"_BASE_": "Base-RCNN-FPN.yaml", "SOLVER": {"STEPS": [1], "MAX_ITER": 9}}, "/config/_BASE_", "`BASE_LR`"),
        ({"SOLVER": {**MULTISTEP, "LR_SCHEDULER_NAME": "WarmupPolyLR"}}, "/config/SOLVER/LR_SCHEDULER_NAME", "no 'Wa"),
        ({"SOLVER": {**MULTISTEP, "REFERENCE_WORLD_SIZE": 8}}, "/config/SOLVER/REFERENCE_WORLD_SIZE", "workers"),
        ({"SOLVER": {**MULTISTEP, "WARMUP_STEPS": 8}}, "/config/SOLVER/WARMUP_STEPS", "no field"),
        ({"SOLVER": {**MULTISTEP, "MAX_ITER": 0}}, "/config/SOLVER/MAX_ITER", "above 0"),
        ({"SOLVER": {**MULTISTEP, "GAMMA": "0.1"}}, "/config/SOLVER/GAMMA", "a text"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(config: Json, pointer: str, said: str) -> None:
    not_read(config, pointer, said)
