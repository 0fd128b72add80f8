"""PyTorch's process group: alone in it here; jobs of several ranks are in test_torch_distributed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.distributed as dist

from lockstep.beginning import Beginning
from lockstep.collectives import Collectives, among
from lockstep.errors import Misused
from lockstep.testing import FakeService
from tests.clients.revised import PLAN


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Collectives]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    yield Collectives()
    dist.destroy_process_group()


def test_a_job_of_one_is_no_group() -> None:
    assert among() == (None, None)


def test_what_rank_0_says_and_gets(alone: Collectives) -> None:
    assert among() == (None, None)
    assert (alone.rank, alone.broadcast({"a": 1}), alone.gather("here")) == (0, {"a": 1}, ["here"])
    assert alone.together(lambda: 7) == 7

    def fail() -> None:
        raise Misused("no.")

    with pytest.raises(Misused, match=r"no\."):
        alone.together(fail)


def test_windows_for_all_come_from_rank_0(alone: Collectives) -> None:
    service = FakeService(0.5)
    service.create("r", PLAN)
    group = alone.group(Beginning("r", PLAN, transport=service.transport))
    group.close()
    assert service.requests == []
