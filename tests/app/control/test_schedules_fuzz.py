"""Nonsense of every kind: an answer or a refusal, never a crash, a hang, or a warning from NumPy."""

import copy
import json
import math
import random
import resource
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.control.schedules import evaluate, explain
from app.errors import LockstepError
from app.schedules.catalogue import catalogue
from schemas.evaluate import Evaluate, Explain
from tests.app.schedules import trees
from tests.campaigns import amount

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**53, 2**53 + 1, -(2**70), 10**400, 0.5, -0.0, 5e-324, 1.7e308, -1e308),
    *(
        math.nan,
        math.inf,
        -math.inf,
        "",
        "3%",
        "12ep",
        "-3%",
        "nan",
        "step",
        "value",
        "1/(step-3)",
        "x" * 5000,
        "\0",
        "é",
    ),
    *([], {}, [[]], [[0, 1]], [[1, 0], [0, 1]], {"kind": "ramp"}, {"kind": "nothing"}, {"kind": []}),
    *("cosine", "hold", "continue", "exponential", "float32", "max", "rel", [1, 2, 3], [0.5] * 3),
]


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything inside."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def changed(data: Any, choose: random.Random) -> Any:
    """The data with something in it replaced, removed, copied elsewhere, or misspelt."""
    data = copy.deepcopy(data)
    inside = places(data)[1:]
    if not inside:
        return choose.choice(ODD)
    *path, last = choose.choice(inside)
    holder = data
    for key in path:
        holder = holder[key]
    match choose.randrange(6):
        case 0 | 1 | 2:
            holder[last] = copy.deepcopy(choose.choice(ODD))
        case 3:
            del holder[last]
        case 4:
            holder[last] = copy.deepcopy(data)
        case _ if isinstance(holder, dict):
            holder[f"{last}s"] = holder.pop(last)
    return data


def answered(schedule: Any) -> bool:
    """Whether there was an answer; anything but an answer or a refusal is raised."""
    lengths = {"total_steps": 50, "steps_per_epoch": 5.0}
    try:
        found = evaluate(Evaluate.model_validate({"schedule": schedule, "steps": [0, 1, 7, 2000], **lengths})).answer()
        json.dumps(found, allow_nan=False)
        json.dumps(explain(Explain.model_validate({"schedule": schedule, **lengths})), allow_nan=False)
    except (ValidationError, LockstepError):
        return False
    return True


@settings(max_examples=amount(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees.schedules, st.randoms(use_true_random=False), st.integers(1, 3))
def test_broken_trees(schedule: Any, choose: random.Random, changes: int) -> None:
    for _ in range(changes):
        if isinstance(schedule, dict):
            schedule = changed(schedule, choose)
    answered(schedule)


@pytest.mark.parametrize("seed", range(4))
def test_broken_examples_of_every_kind(seed: int) -> None:
    choose = random.Random(seed)
    answers = 0
    for kind, entry in catalogue().items():
        for _ in range(3):
            example = changed(entry["example"], choose)
            answers += answered(example) if kind != "track" else 0
    assert answers > 10


def test_memory_stays_flat() -> None:
    choose = random.Random(1)
    examples = [entry["example"] for kind, entry in catalogue().items() if "." not in kind and kind != "track"]

    def work(times: int) -> int:
        for _ in range(times):
            answered(changed(choose.choice(examples), choose))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = work(400)
    assert work(1200) - before < 60_000  # KiB
