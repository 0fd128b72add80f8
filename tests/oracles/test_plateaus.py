"""Schedulers that follow a metric, against the installed libraries on random draws, with the reference tolerance."""

import importlib.util
import os
import random
import sys
import types
from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch

from app.control.schedules import ONLY, evaluate
from schemas.evaluate import Evaluate
from tests.campaigns import amount

DRAWS = amount(60, 600)
REPORTS = 40

Json = dict[str, Any]
Library = Callable[[Json, list[float]], list[float]]  # (parameters, metrics) -> the rate before and after every report


def draws(seed: int, parameters: Callable[[random.Random], Json]) -> Iterator[tuple[Json, list[float]]]:
    """Random parameters and metrics: noisy or flat, falling or rising, also below 0, now and then nan or infinite."""
    chance = random.Random(seed)
    for _ in range(DRAWS):
        level, slope = chance.choice([1.0, 0.5, -0.2, 10.0]), chance.choice([-0.02, 0.0, 0.01, -0.0001])
        noise, digits = chance.choice([0.0, 0.01, 0.3]), chance.choice([1, 2, 4, 12])
        metrics = [round(level + slope * i + noise * chance.gauss(0, 1), digits) for i in range(REPORTS)]
        if chance.random() < 0.2:
            for _ in range(3):
                metrics[chance.randrange(REPORTS)] = chance.choice([nan, inf, -inf])
        yield parameters(chance), metrics


def check(kind: str, seed: int, parameters: Callable[[random.Random], Json], library: Library) -> None:
    """Our rates are the library's."""
    for given, metrics in draws(seed, parameters):
        expected = np.array(library(given, metrics))
        request = {
            "schedule": {"kind": kind, **given},
            "steps": list(range(len(expected))),
            "metrics": [metric if np.isfinite(metric) else str(metric) for metric in metrics],
        }
        values = evaluate(Evaluate.model_validate(request)).values[ONLY]
        allowed = 1e-12 * np.abs(expected) + 1e-15 * np.max(np.abs(expected))
        assert np.all(np.abs(values - expected) <= allowed), (given, metrics)


def sgd(rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)


def rates(scheduler: Any, optimizer: torch.optim.Optimizer, metrics: list[float]) -> list[float]:
    """The rate before and after every `step(metric)`."""
    values = [optimizer.param_groups[0]["lr"]]
    for metric in metrics:
        scheduler.step(metric)
        values.append(optimizer.param_groups[0]["lr"])
    return values


def like_torch(chance: random.Random) -> Json:
    return {
        "base_lr": chance.choice([0.1, 3e-4, 1.0, 2e-8]),
        "mode": chance.choice(["min", "max"]),
        "factor": chance.choice([0.1, 0.5, 0.3, 0.9, 0.0]),
        "patience": chance.choice([0, 1, 2, 5]),
        "threshold": chance.choice([1e-4, 0.0, 0.1, 0.01, 1.0]),
        "threshold_mode": chance.choice(["rel", "abs"]),
        "cooldown": chance.choice([0, 0, 1, 4]),
        "min_lr": chance.choice([0.0, 0.0, 0.01, 1e-5]),
        "eps": chance.choice([1e-8, 0.0, 0.01]),
    }


def test_torch() -> None:
    def library(given: Json, metrics: list[float]) -> list[float]:
        optimizer = sgd(given["base_lr"])
        inner = {key: value for key, value in given.items() if key != "base_lr"}
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **inner)
        return rates(scheduler, optimizer, metrics)

    check("torch.ReduceLROnPlateau", 1, like_torch, library)


def test_transformers_on_plateau() -> None:
    optimization = pytest.importorskip("transformers.optimization")

    def library(given: Json, metrics: list[float]) -> list[float]:
        optimizer = sgd(given["base_lr"])
        inner = {key: value for key, value in given.items() if key != "base_lr"}
        scheduler = optimization.get_scheduler("reduce_lr_on_plateau", optimizer, scheduler_specific_kwargs=inner)
        return rates(scheduler, optimizer, metrics)

    check("transformers.reduce_lr_on_plateau", 2, like_torch, library)


def greedy(chance: random.Random) -> Json:
    return {
        "base_lr": chance.choice([0.1, 0.01, 1.0]),
        "mode": chance.choice(["min", "max"]),
        "factor": chance.choice([0.95, 0.5, 0.8]),
        "patience": chance.choice([0, 1, 2, 4]),
        "threshold": chance.choice([1e-6, 0.0, 0.01]),
        "threshold_mode": chance.choice(["rel", "abs"]),
        "cooldown": chance.choice([0, 0, 1, 3]),
        "warmup": chance.choice([0, 0, 1, 3]),
        "min_lr": chance.choice([1e-3, 0.05, 0.064]),
        "max_lr": chance.choice([1.0, 0.2]),
        "eps": chance.choice([1e-8, 0.01]),
        "smooth": chance.choice([True, False]),
        "window_size": chance.choice([2, 3, 50]),
        "reset_start": chance.choice([500, 1, 3, 0]),
    }


def test_transformers_greedy() -> None:
    optimization = pytest.importorskip("transformers.optimization")

    def library(given: Json, metrics: list[float]) -> list[float]:
        optimizer = sgd(given["base_lr"])
        inner = {key: value for key, value in given.items() if key != "base_lr"}
        scheduler = optimization.get_scheduler("greedy", optimizer, scheduler_specific_kwargs=inner)
        return rates(scheduler, optimizer, metrics)

    check("transformers.greedy", 3, greedy, library)


def test_ignite() -> None:
    handlers = pytest.importorskip("ignite.handlers.param_scheduler")

    def parameters(chance: random.Random) -> Json:
        given = like_torch(chance)
        if chance.random() < 0.5:
            given["param_group_index"] = 0
        return given

    def library(given: Json, metrics: list[float]) -> list[float]:
        optimizer = sgd(given["base_lr"])
        inner = {key: value for key, value in given.items() if key != "base_lr"}
        scheduler = handlers.ReduceLROnPlateauScheduler(optimizer, "loss", **inner)
        engine = types.SimpleNamespace(state=types.SimpleNamespace(metrics={}))
        values = [optimizer.param_groups[0]["lr"]]
        for metric in metrics:
            engine.state.metrics["loss"] = metric
            scheduler(engine)
            values.append(optimizer.param_groups[0]["lr"])
        return values

    check("ignite.ReduceLROnPlateauScheduler", 4, parameters, library)


@pytest.fixture
def timm_plateau(monkeypatch: pytest.MonkeyPatch) -> Any:
    """timm's class without timm's `__init__`, which wants torchvision."""
    found = importlib.util.find_spec("timm")
    if found is None:
        pytest.skip("timm is not installed")
    for name, folder in (("timm", ""), ("timm.scheduler", "/scheduler")):
        package = types.ModuleType(name)
        package.__path__ = [f"{next(iter(found.submodule_search_locations or ()))}{folder}"]
        monkeypatch.setitem(sys.modules, name, package)
    for name in ("timm.scheduler.scheduler", "timm.scheduler.plateau_lr"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("timm.scheduler.plateau_lr").PlateauLRScheduler


@pytest.mark.filterwarnings("ignore:PlateauLRScheduler is deprecated")
def test_timm(timm_plateau: Any) -> None:
    def parameters(chance: random.Random) -> Json:
        return {
            "base_lr": chance.choice([0.1, 3e-4, 1.0]),
            "mode": chance.choice(["min", "max"]),
            "decay_rate": chance.choice([0.1, 0.5, 0.3]),
            "patience_t": chance.choice([0, 1, 2, 5]),
            "threshold": chance.choice([1e-4, 0.0, 0.1]),
            "cooldown_t": chance.choice([0, 0, 1, 4]),
            "lr_min": chance.choice([0.0, 0.0, 0.01, 1e-5]),
            "warmup_t": chance.choice([0, 0, 1, 7]),
            "warmup_lr_init": chance.choice([0.0, 1e-4]),
        }

    def library(given: Json, metrics: list[float]) -> list[float]:
        optimizer = sgd(given["base_lr"])
        scheduler = timm_plateau(optimizer, **{key: value for key, value in given.items() if key != "base_lr"})
        values = []
        for epoch, metric in enumerate(metrics, 1):
            scheduler.step(epoch, metric)
            values.append(optimizer.param_groups[0]["lr"])
        return values

    check("timm.PlateauLRScheduler", 5, parameters, library)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_keras() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")

    def parameters(chance: random.Random) -> Json:
        return {
            "base_lr": chance.choice([0.1, 3e-4, 1.0]),
            "mode": chance.choice(["min", "max"]),
            "factor": chance.choice([0.1, 0.5, 0.3, 0.0]),
            "patience": chance.choice([0, 1, 2, 5]),
            "min_delta": chance.choice([1e-4, 0.0, 0.1, -0.01]),
            "cooldown": chance.choice([0, 0, 1, 4]),
            "min_lr": chance.choice([0.0, 0.0, 0.01, 1e-5]),
        }

    def library(given: Json, metrics: list[float]) -> list[float]:
        optimizer = keras.optimizers.SGD(given["base_lr"])
        callback = keras.callbacks.ReduceLROnPlateau(**{k: value for k, value in given.items() if k != "base_lr"})
        callback.set_model(types.SimpleNamespace(optimizer=optimizer))
        callback.on_train_begin()
        values = [float(optimizer.learning_rate)]
        for epoch, metric in enumerate(metrics):
            callback.on_epoch_end(epoch, {"val_loss": metric})
            values.append(float(optimizer.learning_rate))
        return values

    check("keras.ReduceLROnPlateau", 6, parameters, library)


def test_optax() -> None:
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    compiled: dict[Any, Any] = {}

    def parameters(chance: random.Random) -> Json:
        rtol, atol = chance.choice([(1e-4, 0.0), (0.0, 0.05), (0.1, 0.01), (1.0, 0.0)])
        return {
            "factor": chance.choice([0.1, 0.5]),
            "rtol": rtol,
            "atol": atol,
            "patience": chance.choice([0, 1, 2, 5]),
            "cooldown": chance.choice([0, 0, 1, 4]),
            "accumulation_size": chance.choice([1, 1, 2, 3]),
            "min_scale": chance.choice([0.0, 0.05]),
        }

    def library(given: Json, metrics: list[float]) -> list[float]:
        static = (given["factor"], given["rtol"], given["atol"])

        def run(traced: Json, metrics: Any) -> Any:
            factor, rtol, atol = static
            transform = optax.contrib.reduce_on_plateau(factor=factor, rtol=rtol, atol=atol, **traced)

            def step(state: Any, metric: Any) -> Any:
                _, state = transform.update(jax.numpy.zeros(1), state, value=metric)
                return state, state.scale

            return jax.lax.scan(step, transform.init(jax.numpy.zeros(1)), metrics)[1]

        function = compiled.setdefault(static, jax.jit(run))
        traced = {name: given[name] for name in ("patience", "cooldown", "accumulation_size", "min_scale")}
        return [1.0, *np.asarray(function(traced, jax.numpy.array(metrics, jax.numpy.float32))).astype(float).tolist()]

    check("optax.contrib.reduce_on_plateau", 7, parameters, library)
