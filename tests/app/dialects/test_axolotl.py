"""axolotl: its schedules by its own rules, step by step, and its YAML."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import gives, means, not_read, refused

Json = dict[str, Any]


def rex(peak: float, low: float, total: int, warmup: int, step: int) -> float:
    """axolotl 0.9's RexLR at a step, with its modulo."""
    if 1 <= step <= warmup:
        return peak * step / warmup
    after, remaining = step - warmup, total - warmup
    if after >= remaining or after == -1 or remaining <= 0:
        return low
    z = (remaining - after % remaining) / remaining
    return peak * (low / peak + (1 - low / peak) * (z / (0.1 + 0.9 * z)))


@pytest.mark.parametrize(
    ("low", "total", "warmup"),
    [(0.0, 100, 0), (2e-5, 100, 10), (1e-5, 50, 1), (0.0, 40, 30), (1e-5, 30, 30), (0.0, 7, 2), (1e-5, 20, 15)],
)
def test_rex(low: float, total: int, warmup: int) -> None:
    spec = {"kind": "axolotl.RexLR", "max_lr": 2e-4, "min_lr": low, "total_steps": total, "num_warmup_steps": warmup}
    gives(spec, {step: rex(2e-4, low, total, warmup, step) for step in range(total + 3)})


def test_rex_refuses_what_its_own_class_does() -> None:
    refused({"kind": "axolotl.RexLR", "max_lr": 1.0, "min_lr": 2.0, "total_steps": 9}, "min_lr")
    refused({"kind": "axolotl.RexLR", "max_lr": 1.0, "num_warmup_steps": 10, "total_steps": 9}, "num_warmup_steps")


def test_a_quadratic_warm_up() -> None:
    spec = {"kind": "axolotl.cosine_with_quadratic_warmup", "base_lr": 2.0, "num_warmup_steps": 8}
    wave = {t: 1 + cos(pi * (t - 8) / 32) for t in (8, 16, 24, 40)}
    gives({**spec, "num_training_steps": 40}, {0: 0.0, 2: 2 / 16, 4: 0.5, 7: 2 * 49 / 64, **wave})


def test_a_constant_last_part() -> None:
    spec = {"kind": "axolotl.cosine_with_warmup_decay_constant", "base_lr": 2.0, "num_warmup_steps": 10}
    spec |= {"num_training_steps": 100, "constant_lr_ratio": 0.8, "min_lr_ratio": 0.1}
    fall = {t: 2 * (0.1 + 0.9 * (1 + cos(pi * (min(t, 80) - 10) / 70)) / 2) for t in (10, 45, 79, 80, 99)}
    gives(spec, {0: 0.0, 5: 1.0, **fall})
    refused({**spec, "constant_lr_ratio": 0.1}, "constant_lr_ratio")


FILE: Json = {
    "base_model": "models/base-7b",
    "datasets": [{"path": "data/train.jsonl", "type": "alpaca"}],
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "num_epochs": 3,
    "lr_scheduler": "cosine",
    "learning_rate": 2e-4,
    "warmup_steps": 10,
    "deepspeed": "deepspeed_configs/zero2.json",
    "weight_decay": 0.0,
    "lora_r": 32,
}
COSINE = {t: 2e-4 * (1 + cos(pi * (t - 10) / 90)) / 2 for t in (10, 55, 99)}


def test_the_file_of_a_plain_cosine() -> None:
    answer = means(FILE, {0: 0.0, 5: 1e-4, **COSINE}, total_steps=100)
    assert (answer["library"], answer["schedule"]["kind"]) == ("axolotl", "transformers.cosine")
    means({**FILE, "max_steps": 100}, COSINE)
    means(FILE, COSINE, steps_per_epoch=100 / 3)


def test_a_rate_may_be_the_text_that_yaml_makes_of_it() -> None:
    means({**FILE, "learning_rate": "2e-4"}, COSINE, total_steps=100)
    not_read({**FILE, "learning_rate": "two"}, "/config/learning_rate", "a text", total_steps=100)


@pytest.mark.parametrize(
    ("extra", "steps"),
    [({"warmup_ratio": 0.105}, 10), ({}, 3), ({"warmup_ratio": 0.01}, 2), ({"warmup_steps": 1}, 2)],
    ids=str,
)
def test_the_warm_up_is_as_long_as_axolotl_makes_it(extra: Json, steps: int) -> None:
    given = {name: value for name, value in FILE.items() if name != "warmup_steps"} | extra
    answer = means(given, {steps: 2e-4}, total_steps=100)
    assert answer["schedule"]["num_warmup_steps"] == steps


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"cosine_min_lr_ratio": 0.1}, {t: 2e-5 + 0.9 * value for t, value in COSINE.items()}),
        ({"lr_scheduler": "linear"}, {5: 1e-4, 55: 1e-4, 100: 0.0}),
        ({"lr_scheduler": "constant_with_warmup"}, {5: 1e-4, 55: 2e-4}),
        ({"lr_quadratic_warmup": True}, {5: 5e-5, **COSINE}),
        ({"cosine_min_lr_ratio": 0.1, "cosine_constant_lr_ratio": 0.8}, {45: 1.1e-4, 80: 2e-5, 99: 2e-5}),
        ({"lr_scheduler": "rex", "cosine_min_lr_ratio": 0.1}, {t: rex(2e-4, 2e-5, 100, 10, t) for t in (0, 5, 50, 99)}),
        ({"lr_scheduler": "one_cycle"}, {0: 8e-6, 9: 2e-4, 99: 8e-10}),
        (
            {"lr_scheduler": "polynomial", "lr_scheduler_kwargs": {"power": 2.0, "lr_end": 0.0}},
            {55: 2e-4 / 4, 100: 0.0},
        ),
    ],
    ids=str,
)
def test_the_schedulers_that_a_file_may_name(extra: Json, expected: dict[int, float]) -> None:
    means({**FILE, **extra}, expected, total_steps=100)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"lr_scheduler": "cosin"}, "/config/lr_scheduler", "did you mean 'cosine'"),
        ({"embedding_lr": 1e-5}, "/config/embedding_lr", "derived tracks"),
        ({"deepspeed": "my.json"}, "/config/deepspeed", "scheduler in this file"),
        ({"warmup_step": 5}, "/config/warmup_step", "no field"),
        ({"lr_scheduler_kwargs": {"min_lr": 1e-6}}, "/config/lr_scheduler_kwargs/min_lr", "no field"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**FILE, **extra}, pointer, said, total_steps=100)
