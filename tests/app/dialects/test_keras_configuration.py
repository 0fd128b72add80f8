"""Keras's configurations beyond a schedule's own: whole models, Keras 2's `decay`, and transformers' WarmUp."""

import json
import os
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]
ADAM: Json = {"name": "Adam", "learning_rate": 0.5, "decay": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
POLYNOMIAL: Json = {
    "class_name": "PolynomialDecay",
    "config": {
        "initial_learning_rate": 0.5,
        "decay_steps": 64,
        "end_learning_rate": 0.0,
        "power": 1.0,
        "cycle": False,
        "name": None,
    },
}


def test_decay_of_keras_2_divides_the_rate() -> None:
    means(ADAM, {0: 0.5, 100: 0.25, 300: 0.125})
    not_read({**ADAM, "learning_rate": POLYNOMIAL}, "/config/decay", "product")
    means({**ADAM, "learning_rate": POLYNOMIAL, "decay": 0.0}, {0: 0.5, 32: 0.25, 64: 0.0})


def test_a_model_card_of_transformers_for_tensorflow() -> None:
    inner = {
        "initial_learning_rate": 0.5,
        "decay_schedule_fn": POLYNOMIAL,
        "warmup_steps": 8,
        "power": 2.0,
        "name": None,
    }
    card = {"name": "AdamWeightDecay", "learning_rate": {"class_name": "WarmUp", "config": inner}, "decay": 0.0}
    means(card, {0: 0.0, 2: 0.03125, 4: 0.125, 8: 0.5, 40: 0.25, 72: 0.0, 100: 0.0})


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_a_model_says_what_it_was_compiled_with() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.CosineDecay(0.25, 64, alpha=0.5)
    model.compile(optimizer=keras.optimizers.SGD(schedule), loss="mse")
    expected = {step: float(schedule(step)) for step in (0, 32, 64, 100)}
    for form in (json.loads(model.to_json()), {"compile_config": model.get_compile_config()}):
        assert means(form, expected)["library"] == "keras"
    assert means(model.to_json(), expected)["library"] == "keras"


@pytest.mark.parametrize(
    ("config", "pointer", "said"),
    [
        ({"compile_config": {"optimizer": "adam"}}, "/config/compile_config/optimizer", "by default"),
        ({"class_name": "CosinDecay", "config": {}}, "/config/config/name", "did you mean 'CosineDecay'"),
        ({**ADAM, "decay": "1e-2"}, "/config/decay", "1.0e-2"),
        ({**ADAM, "lr_schedule": "x"}, "/config/lr_schedule", "no field"),
        (
            {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.5, "decay_steps": 5, "alfa": 0.1}},
            "/config/config/alfa",
            "did you mean 'alpha'",
        ),
        (
            {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.5, "decay_step": 5}},
            "/config/config/decay_step",
            "did you mean 'decay_steps'",
        ),
    ],
    ids=str,
)
def test_errors_are_at_the_field(config: Json, pointer: str, said: str) -> None:
    not_read(config, pointer, said)
