"""ultralytics: the rates and the momentum that its loop sets, batch by batch, and its `args.yaml`."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import gives, means, not_read, read

Json = dict[str, Any]
ARGS: Json = {
    "task": "detect",
    "epochs": 8,
    "batch": 16,
    "nbs": 64,
    "optimizer": "SGD",
    "lr0": 0.01,
    "lrf": 0.05,
    "momentum": 0.937,
    "weight_decay": 0.0005,
    "warmup_epochs": 2.5,
    "warmup_momentum": 0.8,
    "warmup_bias_lr": 0.1,
    "cos_lr": False,
    "time": None,
    "warmup_x": None,
}


def loop(args: Json, nb: int, first: float) -> dict[int, float]:
    """The rate of a parameter group in `_do_train`, whose warm-up begins with `first`."""
    epochs, lrf = args["epochs"], args["lrf"]
    nw = max(round(args["warmup_epochs"] * nb), 100) if args["warmup_epochs"] > 0 else -1
    rates, rate = {}, 0.0
    for epoch in range(epochs):
        if args["cos_lr"]:
            factor = max((1 - cos(epoch * pi / epochs)) / 2, 0) * (lrf - 1) + 1
        else:
            factor = max(1 - epoch / epochs, 0) * (1.0 - lrf) + lrf
        rate = args["lr0"] * factor
        for i in range(nb):
            ni = i + nb * epoch
            rates[ni] = first + (args["lr0"] * factor - first) * ni / nw if ni <= nw else rate
    return rates


@pytest.mark.parametrize(
    ("extra", "nb"),
    [({}, 60), ({"cos_lr": True}, 60), ({"warmup_epochs": 0.5}, 60), ({"warmup_epochs": 0.0}, 60), ({}, 13)],
    ids=str,
)
def test_the_rates_of_its_loop(extra: Json, nb: int) -> None:
    args = {**ARGS, **extra}
    answer = means(args, loop(args, nb, 0.0), steps_per_epoch=nb)
    means(args, loop(args, nb, 0.1), "bias/lr", steps_per_epoch=nb)
    assert answer["library"] == "ultralytics"


def test_the_momentum_and_who_has_one() -> None:
    means(ARGS, {0: 0.8, 75: 0.8685, 150: 0.937, 400: 0.937}, "momentum", steps_per_epoch=60)
    means({**ARGS, "warmup_epochs": 0}, {0: 0.937}, "momentum", steps_per_epoch=60)
    assert "momentum" not in read({**ARGS, "optimizer": "AdamW"}, steps_per_epoch=60)["plan"]["tracks"]


def test_beyond_the_last_epoch_the_rate_holds() -> None:
    spec = {"kind": "ultralytics.BaseTrainer", "epochs": 4, "steps_per_epoch": 50, "lrf": 0.5}
    gives({**spec, "warmup_epochs": 0.0}, {199: 0.01 * (0.5 + 0.5 / 4), 200: 0.005, 10_000: 0.005})


def test_auto_takes_a_rate_of_its_own() -> None:
    auto = {**ARGS, "optimizer": "auto"}
    not_read(auto, "/config/optimizer", "`base_lr`", steps_per_epoch=60)
    means(auto, loop({**ARGS, "lr0": 0.002}, 60, 0.0), "bias/lr", steps_per_epoch=60, base_lr=0.002)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"time": 3.0}, "/config/time", "hours"),
        ({"cos_lr": "yes"}, "/config/cos_lr", "neither true nor false"),
        ({"lr_schedule": "cos"}, "/config/lr_schedule", "no field"),
        ({"lr0": 0.0}, "/config/lr0", "greater than 0"),
        ({"epochs": None}, "/config/epochs", "missing"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**ARGS, **extra}, pointer, said, steps_per_epoch=60)


def test_epochs_need_their_length() -> None:
    not_read(ARGS, "/steps_per_epoch", "batches")
