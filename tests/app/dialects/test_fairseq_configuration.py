"""fairseq's arguments, flat and in Hydra's sections."""

from math import exp, log, sqrt
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]
FLAT: Json = {
    "arch": "transformer",
    "optimizer": "adam",
    "lr": [5e-4],
    "lr_scheduler": "inverse_sqrt",
    "warmup_updates": 40,
    "warmup_init_lr": 1e-7,
    "max_update": 300,
    "stop_min_lr": 1e-9,
    "update_freq": [8],
    "weight_decay": 0.0,
}
RISE = {u: 1e-7 + (5e-4 - 1e-7) * u / 40 for u in (0, 10, 39)}


def test_flat_arguments_and_sections() -> None:
    expected = {**RISE, 40: 5e-4, 160: 2.5e-4, 250: 5e-4 * sqrt(40 / 250)}
    assert means(FLAT, expected)["library"] == "fairseq"
    own = {"_name": "inverse_sqrt", "warmup_updates": 40, "warmup_init_lr": 1e-7}
    means({"lr_scheduler": own, "optimization": {"lr": [5e-4], "max_update": 300, "update_freq": [1]}}, expected)


def test_other_schedulers() -> None:
    poly = {"lr_scheduler": "polynomial_decay", "total_num_update": 240, "warmup_init_lr": None}
    means({**FLAT, **poly}, {20: 2.5e-4, 40: 5e-4, 140: 2.5e-4, 240: 0.0})
    stages = {"lr_scheduler": "tri_stage", "phase_ratio": [0.1, 0.4, 0.5], "final_lr_scale": 0.05}
    given = {name: value for name, value in FLAT.items() if not name.startswith("warmup")}
    means({**given, **stages}, {0: 5e-6, 30: 5e-4, 150: 5e-4, 225: 5e-4 * exp(log(0.05) / 2), 300: 2.5e-5})
    fixed = {"lr_scheduler": "fixed", "lr": [5e-4, 1e-4], "force_anneal": None}
    means({**given, **fixed}, {9: 5e-4, 10: 1e-4, 90: 1e-4}, steps_per_epoch=10)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"lr_scheduler": "inverse_sqr"}, "/config/lr_scheduler", "did you mean 'inverse_sqrt'"),
        ({"lr": ["5e-4"]}, "/config/lr", "list of numbers"),
        ({"lr": "5e-4"}, "/config/lr", "a text"),
        ({"warmup_updates": 0}, "/config/warmup_updates", "greater than or equal to 1"),
        ({"lr_warmup": 3}, "/config/lr_warmup", "no field"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**FLAT, **extra}, pointer, said)
