"""The Keras callback on the backend of this process; on JAX the same tests run in a process of their own."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("keras", reason="keras is not installed")

import keras
import numpy as np

from lockstep.errors import Misused
from lockstep.keras import LockstepCallback
from tests.clients.revised import STEPS, Revised
from tests.clients.waiting import lockstep_threads
from tests.processes import completed, environment

# Keras says it to NumPy itself
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

BATCHES = 20


class Watch(keras.callbacks.Callback):
    """Reads the rate that a batch is about to use, and tells the controller."""

    def __init__(self, job: Revised | None = None) -> None:
        super().__init__()
        self.job = job
        self.applied: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        step = int(self.model.optimizer.iterations)
        self.applied.append(float(self.model.optimizer.learning_rate))
        if self.job is not None:
            self.job.passed(step)


def compiled(optimizer: Any = None, **settings: Any) -> Any:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.Adam(0.5), loss="mse", **settings)
    return model


def fit(model: Any, callbacks: list[Any], *, epochs: int = STEPS // BATCHES, first: int = 0, size: float = 1.0) -> Any:
    x = np.arange(BATCHES * 8, dtype="float32").reshape(-1, 2) / 100
    options: dict[str, Any] = {"batch_size": 4, "shuffle": False, "verbose": 0}
    return model.fit(x, size * x[:, :1], epochs=epochs, initial_epoch=first, callbacks=callbacks, **options)


def rounded(rates: list[float]) -> list[float]:
    return [float(np.float32(rate)) for rate in rates]


def test_applied_rates_are_the_committed_ones() -> None:
    job = Revised()
    watch, callback = Watch(job), LockstepCallback(**job.options)
    logs = fit(compiled(), [callback, watch]).history
    assert watch.applied == rounded(job.committed())
    job.check(job.committed())
    assert job.run.workers["rank-0"]["verified_until"] == STEPS
    assert logs["learning_rate"] == watch.applied[BATCHES - 1 :: BATCHES]
    assert logs["lockstep_revision"] == job.run.in_force[BATCHES - 1 : STEPS : BATCHES]
    assert lockstep_threads() == []


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    job = Revised()
    whole = compiled()
    watch, again = Watch(job), Watch(job)
    fit(whole, [LockstepCallback(**job.options), watch], epochs=1)
    whole.save(tmp_path / "model.keras")
    fit(whole, [LockstepCallback(**job.options), watch], first=1)
    resumed = keras.models.load_model(tmp_path / "model.keras")
    fit(resumed, [LockstepCallback(**job.options), again], first=1)
    assert again.applied == watch.applied[BATCHES:] == rounded(job.committed(BATCHES))
    assert all(np.array_equal(a, b) for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True))
    assert job.run.unverified == []


def test_a_checkpoint_goes_on_while_the_service_is_away() -> None:
    job = Revised()
    model = compiled()
    callback = LockstepCallback(**job.options)
    states: list[dict[str, Any]] = []
    save = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: states.append(callback.state_dict()))
    fit(model, [callback, save], epochs=1)
    job.service.down = True
    watch = Watch()
    fit(model, [LockstepCallback(**job.options, resume=states[0]), watch], epochs=1)
    assert watch.applied[0] == rounded([job.run.value(BATCHES)])[0]


def test_accumulated_batches_share_one_rate() -> None:
    job = Revised()
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=4)
    watch = Watch(job)
    fit(compiled(optimizer), [LockstepCallback(**job.options), watch])
    assert watch.applied == [rate for rate in rounded(job.committed(0, STEPS // 4)) for _ in range(4)]
    assert job.run.workers["rank-0"]["verified_until"] == STEPS // 4
    assert job.run.unverified == []


def test_an_update_that_a_loss_scale_skips_uses_its_rate_again() -> None:
    job = Revised()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=1e38)
    watch = Watch(job)
    fit(compiled(optimizer), [LockstepCallback(**job.options), watch], epochs=1, size=1e5)
    made = int(optimizer.iterations)
    assert 0 < made < BATCHES
    assert watch.applied == rounded([job.run.value(0)] * (BATCHES - made) + job.committed(0, made))


def test_a_rate_that_something_else_sets_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    job = Revised()

    class Other(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 5:
                self.model.optimizer.learning_rate = 0.7

    fit(compiled(), [LockstepCallback(**job.options), Other()], epochs=1)
    assert job.run.unverified
    assert job.run.unverified[0][0] <= 5 < job.run.unverified[0][1]
    assert "Update 5 used lr = 0.69" in caplog.text


def test_models_that_cannot_follow_are_refused() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    with pytest.raises(Misused, match="a number as its rate"):
        fit(compiled(keras.optimizers.SGD(schedule)), [LockstepCallback(**Revised().options)])
    if keras.backend.backend() == "jax":  # Keras itself refuses it with torch
        with pytest.raises(Misused, match="steps_per_execution=1"):
            fit(compiled(steps_per_execution=2), [LockstepCallback(**Revised().options)])
    with pytest.raises(Misused, match="no run to save"):
        LockstepCallback("job").state_dict()


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.timeout(240)
def test_all_of_this_holds_on_jax_too() -> None:
    """Keras chooses a backend for a whole process."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__, "-k", "not on_jax"]
    output = completed(command, 220, env=environment(KERAS_BACKEND="jax"))
    assert " passed" in output
