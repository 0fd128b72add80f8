"""DeepSpeed's configuration: whose scheduler it names, rates per parameter group, and a peak that nobody wrote."""

from math import log
from typing import Any

import pytest

from tests.app.dialects.checks import codes, means, not_read, read

Json = dict[str, Any]


def config(name: str, rate: float = 0.001, **parameters: Any) -> Json:
    optimizer = {"type": "AdamW", "params": {"lr": rate}}
    return {"optimizer": optimizer, "scheduler": {"type": name, "params": parameters}}


def test_a_name_that_is_not_deepspeeds_is_torchs() -> None:
    answer = means(config("StepLR", step_size=10, gamma=0.5), {0: 0.001, 9: 0.001, 10: 0.0005, 20: 0.00025})
    assert answer["schedule"]["kind"] == "torch.StepLR"
    not_read(config("StepL", step_size=10), "/config/scheduler/type", "did you mean 'StepLR'")


def test_rates_per_parameter_group_become_tracks() -> None:
    parameters: Json = {"warmup_min_lr": [0, 1e-6], "warmup_max_lr": [3e-5, 1e-4], "warmup_num_steps": 500}
    given = config("WarmupLR", **parameters)
    rise = {t: log(t) / log(500) for t in (1, 100, 500)}
    means(given, {t: 3e-5 * share for t, share in rise.items()})
    means(given, {t: 1e-6 + (1e-4 - 1e-6) * share for t, share in rise.items()}, "1/lr")


@pytest.mark.parametrize(
    ("rate", "parameters", "warned"),
    [
        (5e-7, {}, ["default-peak"]),
        (0.001, {}, []),
        (5e-7, {"warmup_max_lr": 5e-7}, []),
    ],
)
def test_a_peak_that_is_deepspeeds_and_not_the_optimizers_is_told(
    rate: float, parameters: Json, warned: list[str]
) -> None:
    answer = read(config("WarmupDecayLR", rate, warmup_num_steps=10, total_num_steps=100, **parameters))
    assert codes(answer) == warned
    means(
        config("WarmupDecayLR", rate, warmup_num_steps=10, total_num_steps=100, **parameters),
        {10: parameters.get("warmup_max_lr", 0.001), 101: 0.0},
    )


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        (config("WarmupLR", warmup_steps=10), "/config/scheduler/params/warmup_steps"),
        (config("WarmupLR", warmup_num_steps=0), "/config/scheduler/params/warmup_num_steps"),
        (config("WarmupLR", warmup_num_steps="auto"), "/config/scheduler/params/warmup_num_steps"),
        (config("WarmupCosineLR", warmup_num_steps=5), "/config"),
        (config("WarmupLR", warmup_max_lr="1e-5"), "/config/scheduler/params/warmup_max_lr"),
        ({**config("WarmupLR"), "lr_scale": 3}, "/config/lr_scale"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(given: Json, pointer: str) -> None:
    not_read(given, pointer)
