"""`UpdateLR`: one update that the optimizer made is one step, whoever makes it, and whenever `step()` is called."""

from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from lockstep.errors import Misused
from lockstep.updates import UpdateLR
from tests.clients.revised import STEPS, Revised
from tests.clients.wrappers import SAM, Alone, Kept, Lookahead


class Loop:
    """A weight with a gradient, and the rates that the inner optimizer's updates used."""

    def __init__(self, job: Revised) -> None:
        self.job = job
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.weight.grad = torch.full((3,), 0.1)
        self.inner = torch.optim.SGD([self.weight], lr=0.5)
        self.applied: list[float] = []
        self.inner.register_step_post_hook(lambda *_: self.applied.append(self.inner.param_groups[0]["lr"]))

    def train(self, scheduler: UpdateLR, update: Callable[[], object], calls: int = 1) -> None:
        for step in range(STEPS):
            update()
            self.job.passed(step)
            for _ in range(calls):
                scheduler.step()
        scheduler.close()


@pytest.mark.parametrize("calls", [1, 3])
def test_a_wrapper_without_hooks_is_followed_inside(calls: int) -> None:
    job = Revised()
    loop = Loop(job)
    lookahead = Lookahead(loop.inner)
    loop.train(UpdateLR(lookahead, **job.options), lookahead.step, calls)
    job.check(loop.applied)


def test_the_two_halves_of_an_update_are_one() -> None:
    job = Revised()
    loop = Loop(job)
    sam = SAM(loop.inner)

    def update() -> None:
        sam.first_step()
        scheduler.step()  # nothing has been updated yet
        sam.second_step()

    scheduler = UpdateLR(sam, **job.options)
    loop.train(scheduler, update)
    job.check(loop.applied)


def test_wrappers_in_wrappers() -> None:
    job = Revised()
    loop = Loop(job)
    sam = SAM(loop.inner)
    both = Lookahead(sam)
    scheduler = UpdateLR(both, **job.options)
    assert scheduler.optimizer is both  # a trainer looks for the one that it was given
    loop.train(scheduler, lambda: (sam.first_step(), sam.second_step()))
    job.check(loop.applied)


def test_updates_that_nobody_can_see_are_refused() -> None:
    loop = Loop(Revised())
    with pytest.raises(Misused, match=r"Alone makes its updates where PyTorch runs no hooks.*LockstepLR"):
        UpdateLR(Alone(loop.inner.param_groups), **loop.job.options)


def test_a_run_that_would_never_be_joined_is_refused_when_the_weights_move() -> None:
    loop = Loop(Revised())
    kept = Kept(loop.inner)
    scheduler = UpdateLR(kept, **loop.job.options)
    scheduler.step()
    scheduler.step()  # accumulating: nothing has moved
    kept.step()
    with pytest.raises(Misused, match=r"Kept makes its updates where PyTorch runs no hooks"):
        scheduler.step()


def test_several_updates_for_one_step_are_refused() -> None:
    loop = Loop(Revised())
    scheduler = UpdateLR(loop.inner, **loop.job.options)
    loop.inner.step()
    loop.inner.step()
    with pytest.raises(Misused, match="made 2 updates"):
        scheduler.step()
    scheduler.close()
