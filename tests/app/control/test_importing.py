"""Import without a library at hand: DeepSpeed's configuration, and everything that is wrong."""

import copy
import random
from math import inf, nan
from typing import Any

import pytest
from pydantic import ValidationError

from app.control.importing import imported
from app.control.schedules import evaluate, explain
from app.errors import Invalid
from schemas.evaluate import Evaluate, Explain
from schemas.importing import Import
from tests.corpus.all import CORPUS

Json = dict[str, Any]


def values(answer: Json) -> dict[str, list[float]]:
    """60 values by track of what an import gave."""
    plan = answer.get("plan") or {"tracks": {"lr": answer["schedule"]}}
    found: dict[str, list[float]] = evaluate(Evaluate.model_validate({"plan": plan, "steps": {"stop": 60}})).answer()[
        "values"
    ]
    return found


def test_deepspeed() -> None:
    warmup = {"warmup_min_lr": "auto", "warmup_max_lr": "auto", "warmup_num_steps": 10, "total_num_steps": "auto"}
    config = {
        "train_batch_size": 8,
        "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": [0.9, 0.95]}},
        "scheduler": {"type": "WarmupDecayLR", "params": warmup},
    }
    answer = imported(Import(config=config, base_lr=0.3, total_steps=100))
    assert answer["schedule"] == {
        "kind": "deepspeed.WarmupDecayLR",
        "base_lr": 0.3,
        "warmup_min_lr": 0.0,
        "warmup_max_lr": 0.3,
        "warmup_num_steps": 10,
        "total_num_steps": 100,
    }
    with pytest.raises(Invalid, match="total_steps") as caught:
        imported(Import(config=config, base_lr=0.3))
    assert caught.value.errors[0][0] == "/config/scheduler/params/total_num_steps"


def test_deepspeed_one_cycle_drives_the_momentum_too() -> None:
    parameters: Json = {"cycle_min_lr": 0.01, "cycle_max_lr": 0.1, "cycle_first_step_size": 10}
    config = {"optimizer": {"params": {"lr": 0.1}}, "scheduler": {"type": "OneCycle", "params": parameters}}
    found = values(imported(Import(config=config)))
    assert max(found["lr"]) == pytest.approx(0.1)
    assert max(found["momentum"]) == pytest.approx(0.9)
    single = imported(
        Import(config={**config, "scheduler": {"type": "OneCycle", "params": {**parameters, "cycle_momentum": False}}})
    )
    assert "plan" not in single


def test_deepspeed_without_a_scheduler_is_constant() -> None:
    answer = imported(Import(config={"train_batch_size": 8, "optimizer": {"type": "SGD", "params": {"lr": 0.3}}}))
    assert set(values(answer)["lr"]) == {0.3}
    assert [warning["code"] for warning in answer["warnings"]] == ["no-scheduler"]


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({}, "/config"),
        ({"foo": 1}, "/config"),
        ({"base_lrs": [0.1], "lr_lambdas": [None]}, "/config/lr_lambdas"),
        ({"base_lrs": [0.1]}, "/config"),
        ({"base_lrs": "0.1", "T_max": 10}, "/config/base_lrs"),
        ({"base_lrs": [0.1], "T_max": 0, "eta_min": 0}, "/config/T_max"),
        ({"base_lrs": [0.1], "T_max": "ten"}, "/config/T_max"),
        ({"base_lrs": [0.1], "milestones": {"a": 1}, "gamma": 0.1}, "/config/milestones"),
        ({"base_lrs": [0.1], "milestones": {"3": 10**9}, "gamma": 0.1}, "/config/milestones"),
        ({"_schedulers": [3]}, "/config/_schedulers/0"),
        ({"_schedulers": []}, "/config/_schedulers"),
        (
            {"_schedulers": [{"base_lrs": [0.1], "lr_lambdas": []}], "_milestones": []},
            "/config/_schedulers/0/lr_lambdas",
        ),
        ({"base_lrs": [0.1], "total_steps": 10, "_schedule_phases": [{}, {}]}, "/config/_schedule_phases"),
        ({"base_lrs": [0.1], "total_size": 10.0}, "/config/step_ratio"),
        ({"base_lrs": [0.1], "_scale_fn_custom": {}, "total_size": 10.0}, "/config/_scale_fn_custom"),
        ({"lr_scheduler_type": 3}, "/config/lr_scheduler_type"),
        ({"lr_scheduler_type": "linear", "warmup_steps": "5", "max_steps": 9}, "/config/warmup_steps"),
        ({"lr_scheduler_type": "linear", "lr_scheduler_kwargs": "{", "max_steps": 9}, "/config/lr_scheduler_kwargs"),
        ({"scheduler": {"type": ["WarmupLR"]}}, "/config/scheduler/type"),
        ({"scheduler": {"params": {}}}, "/config/scheduler/type"),
        ({"train_batch_size": 8}, "/config/scheduler"),
        ({"class_name": ["CosineDecay"], "config": {}}, "/config/class_name"),
        ({"initial_learning_rate": 0.1}, "/config/name"),
        ({"class_name": "CosineDecay", "config": {"decay_steps": 10}}, "/config"),
        (
            {"class_name": "CosineDecay", "config": {"initial_learning_rate": 1.0, "decay_steps": 0}},
            "/config/config/decay_steps",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_pointed_at(config: Json, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        imported(Import(config=config))
    assert [at for at, _ in caught.value.errors] == [pointer]


COSINE: Json = {"T_max": 40, "eta_min": 0.0, "base_lrs": [0.1, 0.2], "last_epoch": 3, "_last_lr": [0.1, 0.2]}
PHASES = [{"end_step": 29.0}, {"end_step": 99}]
WHOLE: list[Json] = [
    COSINE,
    {"_schedulers": [COSINE, {"gamma": 0.9, "base_lrs": [0.1, 0.2], "last_epoch": 0}], "_milestones": [5]},
    {"milestones": {"3": 1, "5": 2}, "gamma": 0.5, "base_lrs": [0.1], "last_epoch": 4},
    {"max_lrs": [0.1], "total_size": 40.0, "step_ratio": 0.5, "mode": "triangular", "gamma": 1.0, "scale_mode": "cycle"}
    | {"cycle_momentum": True, "base_momentums": [0.8], "max_momentums": [0.9], "base_lrs": [0.01], "last_epoch": 2},
    {"total_steps": 100, "_schedule_phases": PHASES, "_anneal_func_type": "cos", "base_lrs": [0.004], "last_epoch": 2},
    {"factor": 0.1, "min_lrs": [0], "patience": 10, "cooldown": 0, "_last_lr": [0.1], "mode": "min", "last_epoch": 1},
    {"lr_scheduler_type": "cosine", "warmup_steps": 0.1, "max_steps": 50, "lr_scheduler_kwargs": {"num_cycles": 0.5}},
    {"optimizer": {"params": {"lr": "auto"}}, "scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": "auto"}}},
    {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 10, "warmup_target": None}},
    {
        "name": "adam",
        "learning_rate": {"config": {"boundaries": [3], "values": [1.0, 0.5], "name": "PiecewiseConstant"}},
    },
]
WHOLE += [entry.file for entry in CORPUS if isinstance(entry.file, dict)]
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    2**60,
    10**400,
    -0.5,
    1e308,
    inf,
    nan,
    "",
    "auto",
    "12",
    [],
    [[]],
    {},
    ["x"],
    [1, None],
]


def broken(config: Any, chance: random.Random) -> Any:
    """The same with something odd in one place, or something left out."""
    config = copy.deepcopy(config)
    keys = list(config) if isinstance(config, dict) else list(range(len(config)))
    if not keys:
        return chance.choice(ODD)
    key = chance.choice(keys)
    if isinstance(config[key], dict | list) and chance.random() < 0.6:
        config[key] = broken(config[key], chance)
    elif chance.random() < 0.2:
        del config[key]
    else:
        config[key] = chance.choice(ODD)
    return config


def test_whatever_comes_is_imported_or_refused() -> None:
    chance, refused = random.Random(7), 0
    optimizer: Json = {"param_groups": [{"max_lr": 0.1, "min_lr": 0.01}]}
    for _ in range(2000):
        config = broken(chance.choice(WHOLE), chance)
        own = chance.choice([None, optimizer, broken(optimizer, chance)])
        try:
            given = {"base_lr": 0.1, "total_steps": 10, "steps_per_epoch": chance.choice([None, 0.5, 7.0])}
            request = Import.model_validate({"config": config, "optimizer": own, **given})
            values(imported(request))
        except (Invalid, ValidationError):
            refused += 1
    assert 200 < refused < 1800


def test_a_schedule_that_is_imported_is_looked_at_as_any_other() -> None:
    config = {"T_max": 100, "eta_min": 0.5, "base_lrs": [0.1], "last_epoch": 0, "_last_lr": [0.1]}
    answer = imported(Import(config=config, total_steps=150))
    assert [(warning["code"], warning["pointer"]) for warning in answer["warnings"]] == [
        ("floor-above-peak", "/config/eta_min"),
    ]
    schedule = {"schedule": answer["schedule"], "total_steps": 150}
    explained = explain(Explain.model_validate(schedule))["warnings"]
    assert [warning["code"] for warning in explained] == ["floor-above-peak"]


def test_deepspeeds_own_peak_is_said_once() -> None:
    scheduler = {"type": "WarmupDecayLR", "params": {"warmup_num_steps": 10, "total_num_steps": 100}}
    answer = imported(Import(config={"optimizer": {"params": {"lr": 5e-7}}, "scheduler": scheduler}))
    assert [warning["code"] for warning in answer["warnings"]].count("default-peak") == 1
