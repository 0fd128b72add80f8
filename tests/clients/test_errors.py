"""Errors: a problem document is an exception of its name, which says what to do and can travel."""

import pickle

import pytest

from lockstep import errors
from tests.clients.recorder import Recorder, answer


@pytest.mark.parametrize("kind", list(errors.PROBLEMS.values()))
def test_a_problem_is_an_exception_by_its_name_with_its_members(kind: type[errors.Refused]) -> None:
    problem = {
        "type": errors.PREFIX + kind.name,
        "status": 409,
        "detail": "what happened",
        "earliest_step": 7,
        "errors": [{"pointer": "/action", "detail": "no such kind"}],
    }
    with Recorder(answer(problem, 409)).client() as client, pytest.raises(kind) as caught:
        client.run("r")
    assert type(caught.value) is kind
    assert caught.value.earliest_step == 7
    assert caught.value.status == 409
    assert caught.value.errors == [{"pointer": "/action", "detail": "no such kind"}]
    assert "/action: no such kind" in str(caught.value)
    assert kind.advice in str(caught.value)
    with pytest.raises(AttributeError, match="earliest_step"):
        _ = caught.value.horizon


def test_errors_can_be_sent_to_another_process() -> None:
    problem = {"type": errors.PREFIX + "below-horizon", "detail": "too late", "earliest_step": 7}
    error = errors.from_problem(409, problem)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.earliest_step) == (errors.BelowHorizon, str(error), 7)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.LockstepError)]
    assert len(kinds) > 10
    assert [kind.__name__ for kind in kinds if f" {kind.__name__} " not in f" {drawn} ".replace("\n", " ")] == []
