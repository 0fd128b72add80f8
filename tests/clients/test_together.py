"""Several optimizers that one scheduler follows, at one step of one run."""

import copy
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from lockstep.errors import Misused
from lockstep.logs import Log, watch
from lockstep.testing import FakeService
from lockstep.together import Together, makers, parts
from lockstep.torch import LockstepLR
from tests.clients.revised import PLAN, STEPS, Revised
from tests.clients.waiting import until
from tests.clients.wrappers import Lookahead


def sgd(*groups: dict[str, Any], lr: float = 0.5) -> torch.optim.Optimizer:
    given = [{"params": [torch.nn.Parameter(torch.ones(2))]} | group for group in groups or ({},)]
    return torch.optim.SGD(given, lr=lr)


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def test_the_groups_of_all_by_name() -> None:
    first, second = sgd({"name": "head"}, {}), sgd()
    for given, (one, other) in (({"a": first, "b": second}, "ab"), ([first, second], "01")):
        both = Together(given)
        assert all(a is b for a, b in zip(both.param_groups, first.param_groups + second.param_groups, strict=True))
        assert both.names == [(f"{one}.head", f"{one}.0", one), (f"{one}.1", one), (f"{other}.0", other)]
        assert (parts(both), parts(first)) == ([first, second], [first])
        assert makers(both, other) == [second]
    wrapped = Lookahead(first)
    assert makers(Together([wrapped, second])) == [first, second]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no optimizer to follow"),
        ([sgd(), 3], "Optimizer as '1', not int"),
        (3, r"torch\.optim\.Optimizer, not int"),
    ],
    ids=["none", "no optimizer among them", "something else"],
)
def test_what_is_no_optimizer_is_refused(given: Any, said: str) -> None:
    with pytest.raises(Misused, match=said):
        Together(given)


def test_a_clock_that_there_is_not() -> None:
    with pytest.raises(Misused, match="`clock` is one of a, b; got 'c'"):
        makers(Together({"a": sgd(), "b": sgd()}), "c")
    with pytest.raises(Misused, match="only one clock"):
        makers(sgd(), "a")


def test_an_update_of_all_and_a_copy() -> None:
    both = Together([sgd(), sgd()])
    for group in both.param_groups:
        group["params"][0].grad = torch.ones(2)
    assert both.step(lambda: 3.0) == 3.0
    assert [group["params"][0].tolist() for group in both.param_groups] == [[0.5, 0.5]] * 2
    both.zero_grad()
    assert [group["params"][0].grad for group in both.param_groups] == [None] * 2
    other = copy.deepcopy(both)
    assert (other.names, other.param_groups[0] is both.param_groups[0]) == (both.names, False)


def test_one_run_one_worker_one_switch_for_all() -> None:
    job, muon, adamw = Revised(), sgd(lr=0.02), sgd({}, {"name": "head"})
    scheduler = LockstepLR({"matrix": muon, "rest": adamw}, **job.options)
    used = []
    for step in range(STEPS):
        job.passed(step)
        adamw.step()
        muon.step()
        used.append([*rates(muon), *rates(adamw)])
        scheduler.step()
    assert scheduler.get_last_lr() == [job.run.value(STEPS)] * 3
    scheduler.close()
    assert used == [[rate] * 3 for rate in job.committed()]
    job.check([first for first, *_ in used])
    assert list(job.run.workers) == ["rank-0"]


@pytest.mark.parametrize("rest", ["rest/lr", "rest.0/lr", "lr"])
def test_each_has_tracks_of_its_own(rest: str) -> None:
    service = FakeService({"matrix/lr": 0.02, rest: 0.001}, derived={"matrix.head/lr": ("matrix/lr", 4.0)})
    muon, adamw = sgd({"name": "head"}, {}), sgd()
    scheduler = LockstepLR({"matrix": muon, "rest": adamw}, run="r", plan=PLAN, transport=service.transport)
    seen: list[dict[str, float]] = []
    watch(scheduler, Log(lambda _, entry: seen.append(entry)), track="matrix/lr")
    for _ in range(50):
        muon.step()
        adamw.step()
        assert (rates(muon), rates(adamw)) == ([0.08, 0.02], [0.001])
        scheduler.step()
    scheduler.close()
    curves = {name: seen[-1][f"lockstep/lr/{name}"] for name in ("matrix.head", "matrix.1", "rest.0")}
    assert (len(seen), curves) == (50, {"matrix.head": 0.08, "matrix.1": 0.02, "rest.0": 0.001})
    run = service.runs["r"]
    assert (run.workers["rank-0"]["verified_until"], run.unverified) == (50, [])


def test_a_track_that_names_none_of_them_is_refused() -> None:
    service = FakeService({"lr": 0.1, "matrx/lr": 0.2})
    with pytest.raises(Misused, match=r"takes matrx/lr; the groups are matrix\.0, rest\.0"):
        LockstepLR({"matrix": sgd(), "rest": sgd()}, run="r", plan=PLAN, transport=service.transport)


def test_what_something_else_sets_in_any_of_them_is_noticed() -> None:
    service, muon, adamw = FakeService(lambda step: 1 / (step + 3)), sgd(), sgd()
    scheduler = LockstepLR([muon, adamw], run="r", plan=PLAN, transport=service.transport)
    for step in range(100):
        if step == 50:
            adamw.param_groups[0]["lr"] = 9.0
        muon.step()
        adamw.step()
        scheduler.step()
    scheduler.close()
    ((start, stop),) = service.runs["r"].unverified
    assert start <= 50 < stop


@pytest.mark.parametrize(
    ("clock", "critics", "reasons"),
    [(None, 1, set()), (None, 5, {"miscounted"}), ("generator", 5, set()), ("critic", 5, {"miscounted"})],
)
def test_the_updates_of_each_are_the_steps_or_those_of_one(clock: str | None, critics: int, reasons: set[str]) -> None:
    service, generator, critic = FakeService(0.1), sgd(), sgd()
    given = {"generator": generator, "critic": critic}
    scheduler = LockstepLR(given, run="r", plan=PLAN, transport=service.transport, clock=clock)
    for _ in range(20):
        for _ in range(critics):
            critic.step()
        generator.step()
        scheduler.step()
    scheduler.close()
    assert {why["reason"] for why in service.runs["r"].unverified_reasons} == reasons


def test_one_scaler_skips_the_update_of_one() -> None:
    service, first, second = FakeService(lambda step: 1 / (step + 3)), sgd(), sgd()
    scaler = torch.amp.GradScaler("cpu")
    scheduler = LockstepLR([first, second], run="r", plan=PLAN, transport=service.transport, scaler=scaler)
    for step in range(20):
        if step % 4 == 0:
            scheduler.step()  # both are skipped: the rate is used again
        if step % 4 != 1:
            first.step()
        second.step()
        scheduler.step()
    assert scheduler.last_epoch == 20
    scheduler.close()
    assert service.runs["r"].unverified == []


def test_a_second_scheduler_of_one_process_is_refused_with_the_way_out() -> None:
    job, optimizers = Revised(), [sgd(), sgd(), sgd()]
    schedulers = [LockstepLR(optimizer, **job.options) for optimizer in optimizers]

    def train() -> None:
        for _ in range(STEPS):
            for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
                optimizer.step()
                scheduler.step()

    with pytest.raises(Misused, match=r"one step\. One scheduler follows several optimizers: LockstepLR"):
        train()
    for scheduler in schedulers:
        scheduler.close()


def test_a_checkpoint_goes_on_with_all() -> None:
    job = Revised()

    def train(first: int, last: int, state: dict[str, Any] | None = None) -> tuple[list[list[float]], dict[str, Any]]:
        both = [sgd(), sgd()]
        scheduler = LockstepLR(both, **job.options)
        if state is not None:
            scheduler.load_state_dict(state)
        used = []
        for _ in range(first, last):
            for optimizer in both:
                optimizer.step()
            used.append([*rates(both[0]), *rates(both[1])])
            scheduler.step()
        saved = scheduler.state_dict()
        scheduler.close()
        return used, saved

    whole, saved = train(0, 20)
    rest, _ = train(20, 40, saved)
    assert whole + rest == [[rate, rate] for rate in job.committed(0, 40)]
    until(lambda: job.run.workers["rank-0"]["verified_until"] == 40)
    assert job.run.unverified == []
