"""mmengine's schedulers: values from its own recursions, run one after the other as its hook does, and files."""

from collections import Counter
from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read, refused

Json = dict[str, Any]
LAST = 10**9


class Stepped:
    """One of mmengine's `_ParamScheduler`s over a rate in a list of one, by the chainable form of each `_get_value`."""

    def __init__(self, rate: list[float], base: float, config: Json, epoch: int) -> None:
        config = {"by_epoch": True, "begin": 0, "end": LAST, **config}
        unit = epoch if config["by_epoch"] and config.pop("convert_to_iter_based", False) else 1
        self.by_epoch = config["by_epoch"] and unit == 1
        for name in ("begin", "end", "T_max", "step_size"):
            if config.get(name) not in (None, LAST):
                config[name] *= unit
        if "milestones" in config:
            config["milestones"] = Counter(mark * unit for mark in config["milestones"])
        self.rate, self.base, self.config = rate, base, config
        self.count = self.last = -1
        self.length = config["end"] - config["begin"]
        self.step()

    def step(self) -> None:
        self.count += 1
        if self.config["begin"] <= self.count < self.config["end"]:
            self.last += 1
            self.rate[0] = self.value(self.rate[0], self.last, self.length - 1)

    def value(self, rate: float, k: int, total: int) -> Any:
        config = self.config
        match config["type"]:
            case "ConstantLR":
                factor = config.get("factor", 1 / 3)
                return rate * factor if k == 0 else rate / factor if k == total else rate
            case "LinearLR":
                start = config.get("start_factor", 1 / 3)
                rise = config.get("end_factor", 1.0) - start
                return rate * start if k == 0 else rate * (1 + rise / (total * start + (k - 1) * rise))
            case "QuadraticWarmupLR":
                part = self.base * (2 * k + 1) / self.length**2
                return part if k == 0 else rate + part
            case "MultiStepLR":
                return rate * config.get("gamma", 0.1) ** config["milestones"][k]
            case "StepLR":
                return rate if k == 0 or k % config["step_size"] else rate * config.get("gamma", 0.1)
            case "ExponentialLR":
                return rate if k == 0 else rate * config["gamma"]
        low = config.get("eta_min", self.base * config.get("eta_min_ratio", 0.0))
        if k == 0:
            return rate
        if config["type"] == "PolyLR":
            return (rate - low) * (1 - 1 / (total - k + 1)) ** config.get("power", 1.0) + low
        steps = config.get("T_max", self.length)
        if (k - 1 - steps) % (2 * steps) == 0:
            return rate + (self.base - low) * (1 - cos(pi / steps)) / 2
        return (1 + cos(pi * k / steps)) / (1 + cos(pi * (k - 1) / steps)) * (rate - low) + low


def trained(base: float, configs: list[Json], epoch: int, steps: int) -> dict[int, float]:
    """The rates of a run: those by update step after each, those by epoch after the last of an epoch."""
    rate = [base]
    schedulers = [Stepped(rate, base, dict(config), epoch) for config in configs]
    found = {}
    for step in range(steps):
        found[step] = rate[0]
        for scheduler in schedulers:
            if not scheduler.by_epoch or (step + 1) % epoch == 0:
                scheduler.step()
    return found


WARMUP = {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 50}
LISTS: list[list[Json]] = [
    [WARMUP, {"type": "MultiStepLR", "by_epoch": True, "begin": 0, "end": 12, "milestones": [8, 11], "gamma": 0.1}],
    [WARMUP, {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 50, "end": 220, "T_max": 170, "eta_min": 1e-4}],
    [WARMUP, {"type": "CosineAnnealingLR", "by_epoch": True, "begin": 5, "end": 12, "T_max": 7, "eta_min": 1e-4}],
    [WARMUP, {"type": "PolyLR", "by_epoch": False, "begin": 50, "end": 240, "power": 0.9, "eta_min": 1e-4}],
    [{"type": "PolyLR", "by_epoch": False, "begin": 0, "end": 200, "power": 0.9}],
    [
        {"type": "QuadraticWarmupLR", "by_epoch": True, "begin": 0, "end": 2, "convert_to_iter_based": True},
        {
            "type": "CosineAnnealingLR",
            "eta_min": 5e-4,
            "begin": 2,
            "T_max": 8,
            "end": 10,
            "convert_to_iter_based": True,
        },
        {"type": "ConstantLR", "factor": 1.0, "begin": 10, "end": 12},
    ],
    [
        {"type": "LinearLR", "start_factor": 1e-2, "begin": 0, "end": 4, "convert_to_iter_based": True},
        {"type": "CosineAnnealingLR", "eta_min_ratio": 0.05, "begin": 4, "end": 12, "convert_to_iter_based": True},
    ],
    [{"type": "ConstantLR", "factor": 0.5, "begin": 0, "end": 3}, {"type": "StepLR", "step_size": 2, "gamma": 0.5}],
    [{"type": "ExponentialLR", "gamma": 0.9}, {"type": "LinearLR", "begin": 2, "end": 6, "end_factor": 0.5}],
    [{"type": "MultiStepLR", "milestones": [20, 90, 90], "by_epoch": False, "begin": 10, "end": 150}],
    [{"type": "CosineAnnealingLR", "T_max": 50, "by_epoch": False}],
]


@pytest.mark.parametrize("schedulers", LISTS, ids=range(len(LISTS)))
def test_a_list_is_what_its_members_make_of_the_rate_in_turn(schedulers: list[Json]) -> None:
    expected = trained(0.01, schedulers, 20, 240)
    means({"param_scheduler": schedulers, "optim_wrapper": {"optimizer": {"lr": 0.01}}}, expected, steps_per_epoch=20)


def test_refusals_name_the_parameter() -> None:
    spec = {"kind": "mmengine.param_scheduler", "base_lr": 0.01, "steps_per_epoch": 20}
    cosine = {"type": "CosineAnnealingLR", "T_max": 100, "eta_min": 1e-4, "by_epoch": False}
    refused({**spec, "schedulers": [WARMUP, cosine]}, "eta_min")
    refused({**spec, "schedulers": [{**cosine, "eta_min_ratio": 0.1}]}, "eta_min_ratio")
    refused({**spec, "schedulers": [{**WARMUP, "end": 0}]}, "end")
    refused({**spec, "schedulers": [{"type": "StepLR", "step_size": 3}], "steps_per_epoch": None}, "steps_per_epoch")
    refused({**spec, "schedulers": [{"type": "StepLr"}]}, "type")


FILE: Json = {
    "param_scheduler": LISTS[0],
    "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.02, "weight_decay": 1e-4}},
    "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 12, "val_interval": 1},
    "auto_scale_lr": {"enable": False, "base_batch_size": 16},
}


def test_a_file() -> None:
    expected = {0: 2e-5, 49: 0.02, 159: 0.02, 160: 0.002, 220: 2e-4}
    assert means(FILE, expected, steps_per_epoch=20)["library"] == "mmengine"
    one = {"type": "PolyLR", "by_epoch": False, "end": 101, "_scope_": "mmseg"}
    means({"param_scheduler": one, "optimizer": {"lr": 0.02}}, {0: 0.02, 50: 0.01, 100: 0.0, 500: 0.0})
    means({"param_scheduler": one}, {50: 0.01}, base_lr=0.02)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"auto_scale_lr": {"enable": True, "base_batch_size": 16}}, "/config/auto_scale_lr/enable", "scaled"),
        ({"optim_wrapper": {"optimizer": {"type": "SGD"}}}, "/config/optim_wrapper", "`lr`"),
        ({"param_scheduler": [{**WARMUP, "start": 1}]}, "/config/param_scheduler/0/start", "no field 'start'"),
        ({"param_scheduler": [WARMUP, {"type": "OneCycleLR"}]}, "/config/param_scheduler/1/type", "there is no type"),
        ({"lr_config": {"policy": "step"}}, "/config/lr_config", "mmcv"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**FILE, **extra}, pointer, said, steps_per_epoch=20)


def test_what_acts_to_the_end_of_the_run_needs_to_know_it() -> None:
    poly = {"param_scheduler": {"type": "PolyLR", "by_epoch": False}, "optimizer": {"lr": 0.02}}
    not_read(poly, "/config/param_scheduler/end", "`train_cfg`")
    means({**poly, "train_cfg": {"max_iters": 101}}, {50: 0.01, 100: 0.0})
    means(poly, {50: 0.01, 100: 0.0}, total_steps=101)
    per_epoch = {"param_scheduler": {"type": "PolyLR"}, "optimizer": {"lr": 0.02}, "train_cfg": {"max_epochs": 11}}
    means(per_epoch, {9: 0.02, 50: 0.01, 109: 0.0}, steps_per_epoch=10)


def test_epochs_need_their_length() -> None:
    not_read(FILE, "/steps_per_epoch", "counts epochs")
