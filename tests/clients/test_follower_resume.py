"""A follower that goes on from a checkpoint, the service there or away."""

import pytest

from lockstep import Follower
from lockstep.errors import Misused, RunReplaced
from lockstep.testing import FakeService
from tests.clients.revised import PLAN, Revised


def saved_at(job: Revised, step: int) -> dict[str, object]:
    with Follower(**job.options) as follower:
        for passed in range(step):
            follower.value(passed)
        return follower.state(step)


def test_it_continues_where_the_checkpoint_was_made() -> None:
    job = Revised()
    with Follower(**job.options, resume=saved_at(job, 5)) as follower:
        assert [follower.value(step).value for step in range(5, 20)] == job.committed(5, 20)


def test_without_the_service_the_checkpoint_has_the_next_values() -> None:
    job = Revised()
    state = saved_at(job, 5)
    job.service.down = True
    with Follower(**job.options, resume=state) as follower:
        assert follower.value(5) == (job.run.value(5), "committed", 1)


def test_a_run_of_the_same_name_is_not_the_same_run() -> None:
    job, other = Revised(), FakeService()
    state = saved_at(job, 5)
    other._uids = 7
    with pytest.raises(RunReplaced):
        Follower("job", PLAN, transport=other.transport, resume=state)


def test_a_checkpoint_of_another_run_is_refused() -> None:
    job = Revised()
    with pytest.raises(Misused, match="belongs to run 'job', this follower to 'other'"):
        Follower("other", PLAN, transport=job.service.transport, resume=saved_at(job, 3))
