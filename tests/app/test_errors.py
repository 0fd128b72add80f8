"""Errors: pointers that move with what they point into, and names that a pointer can hold."""

import pytest

from app import errors
from app.api.problems import STATUS
from app.errors import Invalid, LockstepError, StoreError, escape


def test_an_error_moves_below_a_prefix_with_all_that_it_says() -> None:
    error = Invalid.at("/steps", "too many", horizon=9).under("/plan/tracks/lr")
    assert (error.detail, error.errors, error.members) == (
        "too many",
        [("/plan/tracks/lr/steps", "too many")],
        {"horizon": 9},
    )


@pytest.mark.parametrize(("name", "part"), [("head/lr", "head~1lr"), ("a~b", "a~0b"), ("~1", "~01"), ("lr", "lr")])
def test_a_name_is_one_part_of_a_pointer(name: str, part: str) -> None:
    """RFC 6901, section 3: `~0` stands for `~`, `~1` for `/`; read back in the other order."""
    assert escape(name) == part
    assert part.replace("~1", "/").replace("~0", "~") == name


def test_every_error_that_is_answered_has_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LockstepError)]
    answered = {kind.name for kind in kinds} - {LockstepError.name}
    assert answered == set(STATUS)
    assert StoreError.name in STATUS
