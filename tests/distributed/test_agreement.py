"""The promise of the whole project, with real processes: every rank switches at the same step, bit for bit.

Four gloo ranks under torchrun train under DDP while a controller posts revisions, one rank's network stalls for five
seconds, and the service is killed with SIGKILL and started again. What each optimizer used is compared with what is
committed, step by step, and the parameters of the ranks with each other. The control run polls, as people do without
Lockstep, and must fail.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.campaigns import Figures, amount, sampled
from tests.distributed.conftest import RANKS
from tests.distributed.training import compare, training
from tests.ranks import Ranks
from tests.service import running

pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.distributed, pytest.mark.timeout(420)]

REVISIONS = amount(40, 150)
KILLS = amount(1, 3)


CASES = [("broadcast", "follow", 0), ("broadcast", "freeze", 0), ("broadcast", "wait", 0), ("commit", "wait", 2)]


@pytest.mark.parametrize(("agreement", "policy", "stall_rank"), sampled(CASES, 1))
def test_all_ranks_agree_through_kills_and_stalls(
    ranks: Ranks, tmp_path: Path, record_property: Figures, agreement: str, policy: str, stall_rank: int
) -> None:
    settings: dict[str, Any] = {
        "agreement": agreement,
        "policy": policy,
        "stall_rank": stall_rank,
        "stall_at": amount(200, 700),
    }
    with running(tmp_path) as service, training(ranks, service, tmp_path, **settings) as job:
        for part in range(KILLS):
            job.revise(REVISIONS * (part + 1) // (KILLS + 1))
            service.kill()
            service.start()
        job.revise(REVISIONS)
        results = job.finish()
        assert [rank["error"] for rank in results] == [None] * RANKS, job.task.log()
        in_force = compare(job, results)
        assert in_force >= REVISIONS
        record_property("revisions in force", in_force)
        record_property("steps at four ranks", len(results[0]["rates"]))


@pytest.mark.long
def test_the_policy_raise_raises_everywhere_at_one_step(ranks: Ranks, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"agreement": "broadcast", "policy": "raise"}
    with running(tmp_path) as service, training(ranks, service, tmp_path, **settings) as job:
        job.revise(REVISIONS)
        service.kill()
        job.task.finish(120)
        service.start()
        results = job.finish()
        assert all("NoValue" in rank["error"] for rank in results), results
        assert compare(job, results, reported=False) >= REVISIONS


@pytest.mark.long
def test_naive_polling_breaks_the_replicas(ranks: Ranks, tmp_path: Path, record_property: Figures) -> None:
    """The control: without it, a test of agreement might pass because nothing could ever go wrong in it."""
    with running(tmp_path) as service, training(ranks, service, tmp_path, agreement="naive") as job:
        job.wait_for(lambda: job.step() > 50)
        for number in range(30):
            job.post(0.001 * (1 + (number * 7) % 13), None)
            passed = job.step() + 60
            job.wait_for(lambda passed=passed: job.step() > passed)  # type: ignore[misc]
        results = job.finish()
    rates = [rank["rates"] for rank in results]
    misaligned = [step for step in range(len(rates[0])) if len({one[step] for one in rates}) != 1]
    assert misaligned
    assert max(rank["difference"] for rank in results) > 0
    record_property("steps at which ranks differed", len(misaligned))
    record_property("steps at four ranks", len(rates[0]))
