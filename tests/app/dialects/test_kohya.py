"""kohya's sd-scripts: transformers' schedules under its own arguments, a rate for each network, torch's by name."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]
FILE: Json = {
    "pretrained_model_name_or_path": "models/base.safetensors",
    "network_module": "networks.lora",
    "network_dim": 32,
    "learning_rate": 1e-4,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 10,
    "max_train_steps": 100,
    "train_batch_size": 2,
    "optimizer_type": "AdamW8bit",
    "noise_offset": 0.05,
}


def wave(share: float) -> float:
    return (1 + cos(pi * share)) / 2


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, {0: 0.0, 5: 5e-5, 10: 1e-4, 55: 5e-5, 99: 1e-4 * wave(89 / 90)}),
        ({"lr_warmup_steps": 0.2}, {10: 5e-5, 20: 1e-4, 60: 5e-5}),
        ({"lr_scheduler": "constant", "lr_warmup_steps": 0}, {0: 1e-4, 99: 1e-4}),
        ({"lr_scheduler": "constant_with_warmup"}, {5: 5e-5, 99: 1e-4}),
        ({"lr_scheduler": "linear"}, {55: 5e-5}),
        (
            {"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": 3},
            {25: 5e-5, 40: 1e-4, 85: 5e-5},
        ),
        ({"lr_scheduler": "polynomial", "lr_scheduler_power": 2}, {55: 1e-7 + (1e-4 - 1e-7) / 4}),
        ({"lr_scheduler": "inverse_sqrt", "lr_scheduler_timescale": 20}, {70: 1e-4 / 2}),
        ({"lr_scheduler": "cosine_with_min_lr", "lr_scheduler_min_lr_ratio": 0.1}, {55: 5.5e-5, 100: 1e-5}),
        (
            {"lr_scheduler": "warmup_stable_decay", "lr_decay_steps": 0.2, "lr_scheduler_min_lr_ratio": 0.1},
            {5: 5.5e-5, 10: 1e-4, 79: 1e-4, 90: 5.5e-5, 100: 1e-5},
        ),
        ({"lr_scheduler_args": ["num_cycles=1.0"]}, {55: 0.0, 100: 1e-4}),
        (
            {"lr_scheduler": "piecewise_constant", "lr_warmup_steps": 0, "lr_scheduler_args": "step_rules='1:50,0.1'"},
            {49: 1e-4, 50: 1e-5},
        ),
        (
            {"lr_scheduler_type": "CosineAnnealingLR", "lr_warmup_steps": 0, "lr_scheduler_args": ["T_max=100"]},
            {0: 1e-4, 50: 5e-5},
        ),
        ({"optimizer_type": "AdamWScheduleFree"}, {0: 1e-4, 99: 1e-4}),
    ],
    ids=str,
)
def test_the_schedulers_that_arguments_may_name(extra: Json, expected: dict[int, float]) -> None:
    assert means({**FILE, **extra}, expected)["library"] == "kohya"


def test_the_text_encoder_and_the_u_net_have_their_own_rates() -> None:
    rates = {"unet_lr": 1e-4, "text_encoder_lr": 5e-5}
    means({**FILE, **rates}, {10: 5e-5})
    means({**FILE, **rates}, {10: 1e-4}, "1/lr")
    assert "schedule" in means({**FILE, **rates, "network_train_unet_only": True}, {10: 1e-4})
    assert "schedule" in means({**FILE, **rates, "network_train_text_encoder_only": True}, {10: 5e-5})


def test_a_run_that_nothing_limits_is_the_scripts_default() -> None:
    given = {name: value for name, value in FILE.items() if name != "max_train_steps"}
    means({**given, "lr_scheduler": "linear", "lr_warmup_steps": 0}, {800: 5e-5, 1600: 0.0})
    means({**given, "lr_scheduler": "linear", "lr_warmup_steps": 0}, {50: 5e-5}, total_steps=100)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"lr_scheduler": "cosin"}, "/config/lr_scheduler", "did you mean 'cosine'"),
        ({"optimizer_type": "Adafactor"}, "/config/optimizer_type", "sets its rate itself"),
        ({"lr_scheduler": "constant"}, "/config/lr_warmup_steps", "no warm-up"),
        ({"lr_scheduler_type": "my.Scheduler"}, "/config/lr_scheduler_type", "no scheduler of torch"),
        ({"lr_scheduler_args": ["T_max"]}, "/config/lr_scheduler_args", "name=value"),
        ({"lr_scheduler_args": ["power=__import__('os')"]}, "/config/lr_scheduler_args", "name=value"),
        ({"block_lr": "1e-5,1e-4"}, "/config/block_lr", "derived tracks"),
        ({"lr_warmup_steps": "10"}, "/config/lr_warmup_steps", "a text"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**FILE, **extra}, pointer, said)
