"""Import, held to torch, transformers and keras: what comes out gives the rates of what the state came from."""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as lrs

from app.control.importing import imported
from app.control.schedules import evaluate
from app.errors import Invalid
from schemas.evaluate import Evaluate
from schemas.importing import Import, Imported

Json = dict[str, Any]
Make = Callable[[torch.optim.Optimizer], Any]
STEPS = 60
STOP = 23  # where the state is taken


def values(answer: Json, steps: int = STEPS, **more: Any) -> dict[str, list[float]]:
    """The rates by track of what an import gave."""
    Imported.model_validate(answer)
    subject = {"plan": answer["plan"]} if "plan" in answer else {"plan": {"tracks": {"lr": answer["schedule"]}}}
    request = {**subject, "steps": {"start": 0, "stop": steps}, **more}
    found: dict[str, list[float]] = evaluate(Evaluate.model_validate(request)).answer()["values"]
    return found


def sgd(*rates: float) -> torch.optim.Optimizer:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def run(make: Make, optimizer: torch.optim.Optimizer) -> tuple[list[list[float]], list[float], Json, Json]:
    """(rates by group, momentum, the state at step 23 through JSON, the optimizer's)"""
    scheduler = make(optimizer)
    rates, momentum, state, own = [], [], {}, {}
    for step in range(STEPS):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        momentum.append(float(optimizer.param_groups[0]["momentum"]))
        if step == STOP:
            state = json.loads(json.dumps(scheduler.state_dict()))
            own = json.loads(json.dumps(optimizer.state_dict()))
        optimizer.step()
        scheduler.step()
    return [list(column) for column in zip(*rates, strict=True)], momentum, state, own


TORCH: list[Make] = [
    lambda o: lrs.StepLR(o, 7, 0.5),
    lambda o: lrs.MultiStepLR(o, [50, 9, 30, 9], 0.5),
    lambda o: lrs.ConstantLR(o, 0.25, 12),
    lambda o: lrs.LinearLR(o, 0.1, 0.9, 40),
    lambda o: lrs.ExponentialLR(o, 0.97),
    lambda o: lrs.PolynomialLR(o, 40, 2.0),
    lambda o: lrs.CosineAnnealingLR(o, 25, 0.01),
    lambda o: lrs.CosineAnnealingWarmRestarts(o, 7, 2, 0.01),
    lambda o: lrs.CyclicLR(o, 0.01, 0.2, 11, 5, mode="triangular2"),
    lambda o: lrs.CyclicLR(o, 0.01, 0.2, 11, mode="exp_range", gamma=0.99, cycle_momentum=False),
    lambda o: lrs.OneCycleLR(o, 0.3, 80, pct_start=0.37, div_factor=10.0, final_div_factor=77.0),
    lambda o: lrs.OneCycleLR(o, 0.3, 80, anneal_strategy="linear", three_phase=True, base_momentum=0.7),
    lambda o: lrs.SequentialLR(o, [lrs.LinearLR(o, 0.1, 1.0, 10), lrs.CosineAnnealingLR(o, 40)], [10]),
    lambda o: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.5, 10), lrs.ExponentialLR(o, 0.97)], o),
]


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("make", TORCH, ids=range(len(TORCH)))
def test_a_state_dict_gives_the_rates_of_its_scheduler(make: Make) -> None:
    (rates,), momentum, state, optimizer = run(make, sgd(0.1))
    answer = imported(Import(config=state, optimizer=optimizer))
    found = values(answer)
    assert found["lr"] == pytest.approx(rates, rel=1e-9, abs=1e-12)
    if len(set(momentum)) > 1:
        assert found["momentum"] == pytest.approx(momentum, rel=1e-9)
    assert answer["library"] == "torch"
    assert answer["step"] == STOP
    assert answer["warnings"] == []
    noted = {note["pointer"] for note in answer["read"] + answer["ignored"]}
    assert noted >= {f"/config/{name}" for name in state}  # every field is accounted for


def test_groups_with_rates_of_their_own_become_tracks() -> None:
    rates, _, state, _ = run(lambda o: lrs.CosineAnnealingLR(o, 40, 0.01), sgd(0.1, 0.1, 0.5))
    found = values(imported(Import(config=state)))
    assert set(found) == {"lr", "2/lr"}
    assert found["lr"] == pytest.approx(rates[0], rel=1e-9)
    assert found["2/lr"] == pytest.approx(rates[2], rel=1e-9)


def test_a_plateau_goes_on_from_its_rate_and_says_so() -> None:
    optimizer = sgd(0.1)
    scheduler = lrs.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, min_lr=0.001)
    for _ in range(4):
        scheduler.step(1.0)
    state = json.loads(json.dumps(scheduler.state_dict()))
    answer = imported(Import(config=state))
    assert answer["schedule"]["base_lr"] == 0.05
    assert [warning["code"] for warning in answer["warnings"]] == ["rate-of-now"]
    whole = imported(Import(config=state, base_lr=0.1))
    assert values(whole, 5, metrics=[1.0] * 4)["lr"] == [0.1, 0.1, 0.1, 0.05, 0.05]


def test_a_rate_that_the_schedule_does_not_give_is_noticed() -> None:
    _, _, state, _ = run(lambda o: lrs.CosineAnnealingLR(o, 40), sgd(0.1))
    state["_last_lr"] = [0.5]
    assert [warning["code"] for warning in imported(Import(config=state))["warnings"]] == ["other-rate"]


def test_one_cycle_without_its_optimizer_takes_the_defaults_and_says_so() -> None:
    (rates,), _, state, _ = run(lambda o: lrs.OneCycleLR(o, 0.3, 80), sgd(0.1))
    answer = imported(Import(config=state))
    assert values(answer)["lr"] == pytest.approx(rates, rel=1e-9)
    assert [warning["code"] for warning in answer["warnings"]] == ["rates-in-optimizer"]


ARGUMENTS: list[Json] = [
    {"lr_scheduler_type": "linear", "warmup_steps": 5, "max_steps": 50},
    {"lr_scheduler_type": "cosine", "warmup_steps": 0.1, "max_steps": 55, "learning_rate": 0.001},
    {"lr_scheduler_type": "cosine_with_min_lr", "max_steps": 50, "lr_scheduler_kwargs": {"min_lr": 1e-5}},
    {"lr_scheduler_type": "polynomial", "warmup_steps": 3, "num_train_epochs": 2.5},
    {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 7},
    {"lr_scheduler_type": "constant"},
    {"lr_scheduler_type": "inverse_sqrt", "warmup_steps": 7},
    {
        "lr_scheduler_type": "warmup_stable_decay",
        "warmup_steps": 5,
        "max_steps": 50,
        "lr_scheduler_kwargs": {"num_decay_steps": 20},
    },
]


@pytest.mark.parametrize("given", ARGUMENTS, ids=str)
def test_training_arguments_give_the_rates_of_the_trainer(given: Json, tmp_path: Any) -> None:
    transformers = pytest.importorskip("transformers")
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), **given)
    total = arguments.max_steps if arguments.max_steps > 0 else int(np.ceil(arguments.num_train_epochs * 20))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=arguments.learning_rate)
    scheduler = transformers.get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        arguments.get_warmup_steps(total),
        total,
        arguments.lr_scheduler_kwargs,
    )
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    config = json.loads(arguments.to_json_string())
    answer = imported(Import(config=config, steps_per_epoch=20))
    assert values(answer)["lr"] == pytest.approx(rates, rel=1e-12, abs=1e-18)
    assert answer["library"] == "transformers"
    noted = {note["pointer"] for note in answer["read"] + answer["ignored"]}
    assert noted >= {f"/config/{name}" for name in config}


def test_the_length_of_a_trainer_without_max_steps_must_be_said() -> None:
    config = {"lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "max_steps": -1, "num_train_epochs": 3}
    with pytest.raises(Invalid, match="steps_per_epoch"):
        imported(Import(config=config))


KERAS: list[tuple[str, Json]] = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    ("PiecewiseConstantDecay", {"boundaries": [10, 30], "values": [0.3, 0.2, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 40, "power": 2.0}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 40, "warmup_target": 0.1, "warmup_steps": 10}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 40, "alpha": 0.1}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 16}),
]


@pytest.mark.parametrize(("name", "given"), KERAS, ids=str)
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_keras_configurations_in_each_of_their_forms(name: str, given: Json) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    schedule = getattr(keras.optimizers.schedules, name)(**given)
    rates = [float(schedule(step)) for step in range(STEPS)]
    forms = [
        schedule.get_config(),
        keras.optimizers.schedules.serialize(schedule),
        keras.optimizers.Adam(schedule).get_config(),
        keras.optimizers.serialize(keras.optimizers.Adam(schedule)),
    ]
    for form in forms:
        answer = imported(Import(config=json.loads(json.dumps(form))))
        assert answer["library"] == "keras"
        assert answer["schedule"]["kind"] == f"keras.{name}"
        assert values(answer)["lr"] == pytest.approx(rates, rel=1e-5, abs=1e-7)
