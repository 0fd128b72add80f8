"""keras' schedules against the installed library on random draws: float32 within 2e-6 of the peak.

Where a restart of CosineDecayRestarts comes depends on the last bit of a logarithm in float32, so the steps next to one
are left out when the lengths change.
"""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.campaigns import amount
from tests.oracles.compare import values

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

Json = dict[str, Any]
DRAWS = amount(60, 600)


def steps_around(chance: random.Random, *lengths: float) -> list[int]:
    """Step 0 and 1, those around the lengths, and some at random as far as three times the longest."""
    around = {round(length) + offset for length in lengths for offset in (-1, 0, 1)}
    anywhere = {chance.randrange(int(3 * max(lengths)) + 2) for _ in range(6)}
    return sorted(step for step in {0, 1, *around, *anywhere} if step >= 0)


def close(name: str, given: Json, steps: list[int], theirs: list[float]) -> None:
    """Our values are the library's."""
    ours, expected = np.array(values({"kind": f"keras.{name}", **given}, steps)), np.array(theirs)
    off = np.abs(ours - expected)
    worst = int(np.argmax(off))
    assert off[worst] <= 2e-6 * np.max(np.abs(expected)), (name, given, steps[worst], ours[worst], expected[worst])


def schedule(name: str, given: Json, steps: list[int]) -> list[float]:
    """The values of a schedule of keras."""
    made = getattr(keras.optimizers.schedules, name)(**given)
    return [float(made(keras.ops.convert_to_tensor(step, dtype="int32"))) for step in steps]


def exponential(chance: random.Random) -> tuple[Json, list[int]]:
    length = chance.choice([1, 3, 10, 100, 333, 2.5])
    rate = chance.choice([0.5, 0.96, 1.0, 1.01, 0.1, 0.0])
    given = {"initial_learning_rate": chance.uniform(1e-5, 2), "decay_steps": length, "decay_rate": rate}
    return given | {"staircase": chance.random() < 0.5}, steps_around(chance, length, 2 * length)


def inverse(chance: random.Random) -> tuple[Json, list[int]]:
    given, steps = exponential(chance)
    return given | {"decay_rate": chance.choice([0.0, 0.5, 2.0, chance.random()])}, steps


def piecewise(chance: random.Random) -> tuple[Json, list[int]]:
    bounds = sorted(chance.randrange(60) for _ in range(chance.randint(1, 5)))
    if chance.random() < 0.1:
        chance.shuffle(bounds)
    numbers = [chance.uniform(1e-4, 1.0) for _ in range(len(bounds) + 1)]
    return {"boundaries": bounds, "values": numbers}, steps_around(chance, *bounds)


def polynomial(chance: random.Random) -> tuple[Json, list[int]]:
    length = chance.choice([1, 2, 10, 100, 777])
    given = {"initial_learning_rate": chance.uniform(1e-4, 1), "decay_steps": length}
    more = {"end_learning_rate": chance.choice([0.0, 1e-4, 0.2]), "power": chance.choice([1.0, 2.0, 0.5, 3.3, 0.0])}
    return given | more | {"cycle": chance.random() < 0.5}, steps_around(chance, length, 2 * length)


def cosine(chance: random.Random) -> tuple[Json, list[int]]:
    length, warmup = chance.choice([1, 2, 10, 100, 777]), chance.choice([0, 1, 5, 50])
    given = {"initial_learning_rate": chance.choice([0.0, chance.random()]), "decay_steps": length}
    more = {"alpha": chance.choice([0.0, 0.1, 1.5]), "warmup_steps": warmup}
    target = {"warmup_target": chance.uniform(0.1, 1)} if chance.random() < 0.7 else {}
    return given | more | target, steps_around(chance, length, warmup, warmup + length)


def restarts(chance: random.Random) -> tuple[Json, list[int]]:
    first, growth = chance.choice([2, 10, 50, 101]), chance.choice([1.0, 1.5, 2.0, 3.0])
    given = {"initial_learning_rate": chance.uniform(0.01, 1), "first_decay_steps": first, "t_mul": growth}
    more = {"m_mul": chance.choice([1.0, 0.8, 0.5]), "alpha": chance.choice([0.0, 0.05])}
    begins = [sum(first * growth**i for i in range(cycles)) for cycles in range(1, 12)]
    near = {round(begin) + offset for begin in begins for offset in (-1, 0, 1)} if growth > 1 else set()
    return given | more, [step for step in steps_around(chance, first, 3 * first) if step not in near]


SCHEDULES: dict[str, Callable[[random.Random], tuple[Json, list[int]]]] = {
    "ExponentialDecay": exponential,
    "InverseTimeDecay": inverse,
    "PiecewiseConstantDecay": piecewise,
    "PolynomialDecay": polynomial,
    "CosineDecay": cosine,
    "CosineDecayRestarts": restarts,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_the_values_of_keras(name: str) -> None:
    chance = random.Random(name)
    for _ in range(DRAWS):
        given, steps = SCHEDULES[name](chance)
        close(name, given, steps, schedule(name, given, steps))


def functions(chance: random.Random) -> Iterator[tuple[str, Callable[..., float]]]:
    """Functions of epoch and rate, as a text and in Python."""
    drop, start = round(chance.uniform(0.5, 0.99), 3), chance.randrange(10)
    yield f"lr*{drop}", lambda epoch, lr: lr * drop
    yield (
        f"where(epoch < {start}, lr, lr*exp(-0.1))",
        lambda epoch, lr: lr if epoch < start else lr * float(np.exp(-0.1)),
    )
    yield f"lambda epoch, lr: {drop} ** (epoch // 3)", lambda epoch, lr: drop ** (epoch // 3)
    yield f"{drop} / (1 + epoch)", lambda epoch, lr: drop / (1 + epoch)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of keras with NumPy 2
def test_the_callback_gives_what_the_optimizer_keeps() -> None:
    chance = random.Random(7)
    for _ in range(DRAWS // 4):
        for text, function in functions(chance):
            rate = chance.uniform(1e-3, 1)
            model = keras.Sequential([])
            model.optimizer = keras.optimizers.SGD(rate)
            callback = keras.callbacks.LearningRateScheduler(function)
            callback.set_model(model)
            kept = []
            for epoch in range(15):
                callback.on_epoch_begin(epoch)
                kept.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
            close("LearningRateScheduler", {"schedule": text, "base_lr": rate}, list(range(15)), kept)
