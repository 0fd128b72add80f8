"""optax's adapter: the injected values are the committed ones in the leaf's dtype, and nothing is traced twice."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optax", reason="optax is not installed")

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lockstep.errors import Misused
from lockstep.optax import LockstepRates
from lockstep.testing import FakeService
from tests.clients.revised import PLAN, STEPS, Revised
from tests.clients.waiting import lockstep_threads, until
from tests.processes import completed_together, environment
from tests.service import ROOT, free_port

BATCH = jnp.array([1.0, 2.0])


class Loop:
    """A jitted training loop that reads its state before every update."""

    def __init__(
        self, optimizer: Any, options: dict[str, Any], passed: Callable[[int], None] = lambda step: None
    ) -> None:
        self.optimizer, self.passed = optimizer, passed
        self.rates = LockstepRates(**options)
        self.params: Any = {"w": jnp.array([0.3, -0.2]), "head": jnp.array([0.1])}
        self.state = optimizer.init(self.params)
        self.traces = 0
        self.applied: list[dict[str, Any]] = []

        @jax.jit
        def update(params: Any, state: Any, batch: Any) -> Any:
            self.traces += 1
            loss = jax.grad(lambda p: jnp.sum((p["w"] * batch).sum() + p["head"]) ** 2)
            updates, state = optimizer.update(loss(params), state, params)
            return optax.apply_updates(params, updates), state

        self.update = update

    def train(self, updates: int, *, start: int = 0, explicit: bool = False, batch: Any = BATCH) -> "Loop":
        for step in range(start, start + updates):
            self.state = self.rates.put(self.state, step if explicit else None)
            self.applied.append(dict(optax.tree.get(self.state, "hyperparams")))
            if self.passed is not None:
                self.passed(step)
            self.params, self.state = self.update(self.params, self.state, batch)
        return self

    def applied_rates(self) -> list[float]:
        return [float(found["learning_rate"]) for found in self.applied]


def adam(kind: Any = None) -> Any:
    return optax.inject_hyperparams(optax.adamw, hyperparam_dtype=kind)(learning_rate=0.0, weight_decay=0.5)


def rounded(rates: list[float], kind: Any = np.float32) -> list[float]:
    return [float(kind(rate)) for rate in rates]


@pytest.mark.parametrize("explicit", [False, True])
def test_applied_rates_are_the_committed_ones_in_one_trace(explicit: bool) -> None:
    job = Revised()
    loop = Loop(adam(), job.options, job.passed).train(STEPS, explicit=explicit)
    loop.rates.close()
    assert loop.applied_rates() == rounded(job.committed())
    job.check(job.committed())
    assert loop.traces == 1
    assert loop.rates.reading() == (job.run.value(STEPS - 1), "committed", 4)
    assert lockstep_threads() == []


def test_a_resumed_run_is_the_uninterrupted_one() -> None:
    job = Revised()
    whole = Loop(adam(), job.options, job.passed).train(25)
    saved = jax.tree.map(np.asarray, (whole.params, whole.state))
    place = json.loads(json.dumps(whole.rates.state_dict()))
    whole.train(STEPS - 25, start=25)
    resumed = Loop(adam(), job.options | {"resume": place})
    resumed.params, resumed.state = jax.tree.map(jnp.asarray, saved)
    resumed.train(STEPS - 25)
    assert resumed.applied_rates() == whole.applied_rates()[25:] == rounded(job.committed(25))
    assert jax.tree.all(jax.tree.map(np.array_equal, resumed.params, whole.params))
    assert job.run.unverified == []


def test_going_back_to_a_checkpoint_in_one_process_joins_there_again() -> None:
    job = Revised()
    loop = Loop(adam(), job.options).train(5)
    saved = loop.state
    loop.train(20, start=5)
    loop.state = saved
    loop.train(3, start=5)
    assert loop.applied_rates()[-3:] == rounded(job.committed(5, 8))


def test_a_checkpoint_goes_on_while_the_service_is_away() -> None:
    job = Revised()
    whole = Loop(adam(), job.options).train(5)
    job.service.down = True
    resumed = Loop(adam(), job.options | {"resume": whole.rates.state_dict()})
    resumed.params, resumed.state = whole.params, whole.state
    assert resumed.train(1).applied_rates() == rounded([job.run.value(5)])


@pytest.mark.parametrize("kind", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_dtype_of_the_leaf_stays(kind: Any) -> None:
    job = Revised()
    loop = Loop(adam(kind), job.options).train(3)
    loop.rates.close()
    assert {found["learning_rate"].dtype for found in loop.applied} == {jnp.dtype(kind)}
    assert loop.applied_rates() == rounded(job.committed(0, 3), jnp.dtype(kind).type)
    assert loop.traces == 1
    assert job.run.unverified == []


def test_accumulated_batches_share_one_rate() -> None:
    job = Revised()
    loop = Loop(optax.MultiSteps(adam(), 4), job.options).train(16)
    assert loop.applied_rates() == [rate for rate in rounded(job.committed(0, 4)) for _ in range(4)]


def test_a_skipped_update_uses_its_rate_again() -> None:
    job = Revised()
    loop = Loop(optax.apply_if_finite(adam(), 5), job.options)
    loop.train(2).train(2, batch=jnp.array([jnp.inf, 1.0])).train(2)
    assert loop.applied_rates() == rounded([job.run.value(step) for step in (0, 1, 2, 2, 2, 3)])


def test_tracks_go_to_hyperparameters_and_labels() -> None:
    service = FakeService(
        {"lr": lambda step: 0.1 / (step + 1), "beta1": 0.8, "weight_decay": 0.25}, derived={"head/lr": ("lr", 10.0)}
    )
    labels = {"w": "body", "head": "head"}
    optimizer = optax.partition({"body": adam(), "head": adam()}, labels)
    rates = LockstepRates("job", PLAN, transport=service.transport)
    state = rates.put(optimizer.init({"w": jnp.zeros(2), "head": jnp.zeros(1)}))
    for label, rate in (("body", 0.1), ("head", 1.0)):
        found = optax.tree.get(state.inner_states[label], "hyperparams")
        assert float(found["learning_rate"]) == np.float32(rate)
        assert float(found["b1"]) == np.float32(0.8)
        assert float(found["weight_decay"]) == 0.25
        assert float(found["b2"]) == np.float32(0.999)


@pytest.mark.parametrize("explicit", [False, True])
def test_a_value_that_something_else_sets_is_reported(explicit: bool, caplog: pytest.LogCaptureFixture) -> None:
    job = Revised()
    loop = Loop(adam(), job.options).train(4, explicit=explicit)
    loop.state = loop.rates.put(loop.state, 4 if explicit else None)
    loop.state = optax.tree.set(loop.state, learning_rate=jnp.float32(0.5))
    loop.params, loop.state = loop.update(loop.params, loop.state, BATCH)
    loop.train(12, start=5, explicit=explicit)
    loop.rates.close()
    assert "Update 4 used lr = 0.5" in caplog.text
    until(lambda: job.run.unverified)
    assert all(start <= 4 < stop for start, stop in job.run.unverified)


def test_optimizers_without_a_place_are_refused() -> None:
    job = Revised()
    with pytest.raises(Misused, match=r"takes lr: make the optimizer with optax\.inject_hyperparams"):
        Loop(optax.adam(0.1), job.options).train(1)
    with pytest.raises(Misused, match="has a schedule for learning_rate"):
        Loop(optax.inject_hyperparams(optax.sgd)(learning_rate=lambda count: 0.1), job.options).train(1)
    service = FakeService({"lr": 0.1, "head/lr": 0.2})
    with pytest.raises(Misused, match="takes head/lr"):
        Loop(adam(), {"run": "job", "plan": PLAN, "transport": service.transport}).train(1)
    with pytest.raises(Misused, match="no reading before"):
        LockstepRates("job").reading()


def jobs(folder: Path, url: str, processes: int, devices: int) -> list[dict[str, Any]]:
    """Run `jobs/sharded.py` in so many processes with so many devices each."""
    env = environment(XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}", JAX_PLATFORMS="cpu")
    script = [sys.executable, str(ROOT / "tests/clients/jobs/sharded.py")]
    arguments = [str(folder), url, f"localhost:{free_port()}", str(processes)]
    commands = [([*script, *arguments, str(number)], env) for number in range(processes)]
    completed_together(commands, 200, folder / "log")
    return [json.loads((folder / f"rank-{number}.json").read_text()) for number in range(processes)]


@pytest.mark.distributed
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("processes", "devices"), [(1, 2), (2, 1)])
def test_sharded_parameters(tmp_path: Path, processes: int, devices: int) -> None:
    job = Revised()
    with job.service.serve() as url:
        ranks = jobs(tmp_path, url, processes, devices)
    assert {rank["devices"] for rank in ranks} == {2}
    assert ranks[0]["traces"] == ranks[0]["traces_without"]
    assert ranks[0] == ranks[-1]
    assert ranks[0]["applied"] == rounded(job.committed())
    job.check(job.committed(), workers=processes)
