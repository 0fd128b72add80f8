"""The factor function, in torchtitan's own container of schedulers and in a plain LambdaLR."""

import gc
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch
from torch.optim.lr_scheduler import LambdaLR

from lockstep.errors import Misused
from lockstep.torchtitan import Factor
from tests.clients.revised import STEPS, Revised, torchrun
from tests.clients.waiting import lockstep_threads, until

Optimizer = torch.optim.Optimizer


def optimizers(*rates: Any) -> list[Optimizer]:
    return [torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=rate) for rate in rates]


class Plain:
    """What torchtitan's container does, with one LambdaLR."""

    def __init__(self, optimizers: list[Optimizer], factor: Factor) -> None:
        self.scheduler = LambdaLR(optimizers[0], factor)

    def step(self) -> None:
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return {"last_epoch": self.scheduler.last_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.last_epoch = state["last_epoch"]
        self.scheduler.get_lr()


def titan(optimizers: list[Optimizer], factor: Factor) -> Any:
    pytest.importorskip("torchtitan", reason="torchtitan is not installed")
    from torchtitan.components.optimizer.lr_scheduler import LRSchedulersContainer

    return LRSchedulersContainer(optimizers, factor)


def train(job: Revised, made: list[Optimizer], container: Any, start: int, stop: int) -> list[list[float]]:
    """The rates of all optimizers at every update."""
    applied = []
    for step in range(start, stop):
        for optimizer in made:
            optimizer.step()
        applied.append([float(optimizer.param_groups[0]["lr"]) for optimizer in made])
        job.passed(step)
        container.step()
    return applied


@pytest.mark.parametrize("build", [Plain, titan])
def test_applied_rates_are_the_committed_ones(build: Any) -> None:
    job = Revised()
    made = optimizers(1.0)
    factor = Factor(made, **job.options)
    applied = train(job, made, build(made, factor), 0, STEPS)
    factor.close()
    job.check([rates[0] for rates in applied])


@pytest.mark.distributed
def test_two_ranks_use_the_same_rates(tmp_path: Path) -> None:
    job = Revised()
    with job.service.serve() as url:
        ranks = torchrun("titan.py", tmp_path, url)
    assert ranks[0] == ranks[1]
    job.check(ranks[0]["applied"], workers=2)


@pytest.mark.filterwarnings("ignore:To get the last learning rate:UserWarning")  # torchtitan's load_state_dict
@pytest.mark.parametrize("build", [Plain, titan])
def test_a_resumed_run_is_the_uninterrupted_one(build: Any) -> None:
    job = Revised()
    made = optimizers(1.0)
    factor = Factor(made, **job.options)
    container = build(made, factor)
    train(job, made, container, 0, 25)
    state, saved = container.state_dict(), made[0].state_dict()
    rest = train(job, made, container, 25, STEPS)
    factor.close()  # what it has not reported when another process takes its name is unverified
    again = optimizers(1.0)
    resumed_factor = Factor(again, **job.options)
    resumed = build(again, resumed_factor)
    again[0].load_state_dict(saved)
    resumed.load_state_dict(state)
    assert train(job, again, resumed, 25, STEPS) == rest
    assert [rates[0] for rates in rest] == job.committed(25)
    resumed_factor.close()
    assert job.run.unverified == []  # it joined at 0 when it was made, and used none of those steps


def test_other_base_rates_keep_their_ratio() -> None:
    job = Revised()
    made = optimizers(0.25, 1.0)
    container = titan(made, Factor(made, **job.options))
    for quarter, whole in train(job, made, container, 0, STEPS):
        assert quarter == 0.25 * whole


def test_tensor_rates_count_as_the_rounding() -> None:
    job = Revised()
    made = optimizers(torch.tensor(1.0))
    factor = Factor(made, **job.options)
    applied = train(job, made, Plain(made, factor), 0, STEPS)
    factor.close()
    assert [rates[0] for rates in applied] == torch.tensor(job.committed(), dtype=torch.float32).tolist()
    job.check(job.committed())


def test_a_rate_that_something_else_sets_is_reported() -> None:
    job = Revised()
    made = optimizers(1.0)
    factor = Factor(made[0], **job.options)
    container = Plain(made, factor)
    train(job, made, container, 0, 5)
    made[0].param_groups[0]["lr"] = 0.7
    train(job, made, container, 5, 20)
    factor.close()
    until(lambda: job.run.unverified)
    assert all(start <= 5 < stop for start, stop in job.run.unverified)
    assert factor.reading()[:2] == (job.run.value(20), "committed")


def test_all_optimizers_are_compared_and_not_the_first_alone() -> None:
    job = Revised()
    made = optimizers(1.0, 0.5, 1.0)
    container = titan(made, factor := Factor(made, **job.options))
    train(job, made, container, 0, 5)
    made[1].param_groups[0]["lr"] = 0.7
    train(job, made, container, 5, 20)
    factor.close()
    assert {why["reason"] for why in job.run.unverified_reasons} == {"mismatch"}
    assert all(start <= 5 < stop for start, stop in job.run.unverified)


def test_updates_that_are_not_one_for_each_step_are_not_verified(caplog: pytest.LogCaptureFixture) -> None:
    job = Revised()
    made = optimizers(1.0, 1.0)
    factor = Factor(made, **job.options)
    container = titan(made, factor)
    train(job, made, container, 0, 5)
    for _ in range(30):
        made[0].step()
        container.step()
    factor.close()
    assert [(why["start"], why["reason"]) for why in job.run.unverified_reasons] == [(5, "miscounted")]
    assert caplog.text.count("Run job is miscounted from step 5 on: scheduler.step() came after 0 updates") == 1


def test_a_factor_that_nobody_holds_reports_and_ends() -> None:
    job = Revised()
    made = optimizers(1.0)
    train(job, made, Plain(made, Factor(made, **job.options)), 0, STEPS)
    gc.collect()
    until(lambda: not lockstep_threads())
    job.check(job.committed())


def test_a_base_rate_that_would_round_is_refused() -> None:
    with pytest.raises(Misused, match=r"rate to 1\.0.*it is \[0\.0003\]"):
        Factor(optimizers(3e-4), "job")
