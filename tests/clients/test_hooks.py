"""What PyTorch's optimizers tell of their updates."""

from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from lockstep.adapter import Adapter
from lockstep.clock import Clock
from lockstep.errors import Misused
from lockstep.hooks import after_groups, after_updates, count_into, hooked, innermost, is_rehearsal, own_count
from lockstep.testing import FakeService
from tests.clients.revised import PLAN
from tests.clients.wrappers import SAM, Alone, Lookahead


def sgd() -> torch.optim.SGD:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    return torch.optim.SGD([weight], lr=0.5)


def test_the_innermost_optimizer_makes_the_updates() -> None:
    inner = sgd()
    assert [innermost(each) for each in (inner, SAM(inner), Lookahead(SAM(inner)))] == [inner] * 3
    with pytest.raises(Misused, match=r"needs a torch\.optim\.Optimizer, not Linear"):
        innermost(torch.nn.Linear(1, 1))


def test_a_wrapper_that_only_looks_like_an_optimizer_runs_no_hooks() -> None:
    inner = sgd()
    assert [hooked(each) for each in (inner, SAM(inner), Lookahead(inner))] == [True, True, False]


def test_every_update_is_told_of_and_no_rehearsal() -> None:
    optimizer, told = sgd(), list[int]()
    handle = after_updates(optimizer, lambda: told.append(1))

    def _init_optim_state() -> None:  # of torch.distributed.checkpoint
        optimizer.step(closure=None)

    for _ in range(3):
        optimizer.step()
    _init_optim_state()
    optimizer.step(lambda: torch.tensor(1.0))
    assert len(told) == 4
    optimizer.step(closure=None)
    assert len(told) == 5
    handle.remove()
    optimizer.step()
    assert len(told) == 5
    with pytest.raises(Misused, match="Alone makes its updates where PyTorch runs no hooks"):
        after_updates(Alone(optimizer.param_groups), int)


def test_updates_are_counted_as_long_as_somebody_lives() -> None:
    class Owner:
        """Whoever counts."""

    optimizers, clock, owner = [sgd(), sgd()], Clock(optimizers=2), Owner()
    adapter = Adapter("r", PLAN, first="put()", transport=FakeService().transport)
    clock.go_to(0)
    count_into(clock, optimizers, adapter, owner)
    optimizers[0].step()
    assert (clock.counts(), clock.made) == ([1, 0], -1)
    optimizers[1].step()
    assert (clock.counts(), clock.made) == ([1, 1], 1)
    adapter.join(0)
    optimizers[1].step()
    assert adapter.follower.record.marks == {"miscounted": 1}
    del owner
    optimizers[1].step()
    assert clock.counts() == [1, 2]
    adapter.close()


@pytest.mark.parametrize("found", [None, 0.0, 1.0])
def test_a_fused_update_that_is_skipped_from_inside_does_not_count(found: float | None) -> None:
    """A gradient scaler hands the optimizer `found_inf`, and takes it away afterwards."""
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer: Any = torch.optim.AdamW([weight], lr=0.5, fused=True)
    told: list[int] = []
    after_updates(optimizer, lambda: told.append(1))
    if found is not None:
        optimizer.grad_scale, optimizer.found_inf = torch.tensor(1.0), torch.tensor(found)
    optimizer.step()
    assert len(told) == (0 if found else 1)
    assert torch.equal(weight, torch.ones(2)) == bool(found)


def test_an_update_is_a_rehearsal_only_where_a_state_is_made() -> None:
    def _init_optim_state(keywords: dict[str, Any]) -> bool:
        return is_rehearsal(keywords)

    assert _init_optim_state({"closure": None})
    assert not _init_optim_state({})
    assert not is_rehearsal({"closure": None})


def test_an_optimizer_s_own_count() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    adam = torch.optim.Adam([weight])
    assert own_count([sgd(), adam]) is None
    adam.step()
    adam.step()
    assert int(own_count([sgd(), adam])) == 2


def test_who_is_told_of_groups_that_are_added() -> None:
    optimizer = sgd()
    told: list[int] = []
    after_groups(optimizer, lambda: lambda: told.append(len(optimizer.param_groups)))
    after_groups(optimizer, lambda: None)  # gone by then
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
    assert (told, len(optimizer.param_groups)) == ([2], 2)
