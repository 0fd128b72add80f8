"""Parameters that libraries share: per group or one for all, inherited, and floats that must be floats."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.dialects.parameters import FromOptimizer, OnlyFloat, inherit, of_group
from schemas.specs import schedule


def spec(**fields: Any) -> Any:
    return schedule({"kind": "torch.ExponentialLR", "gamma": 0.5, **fields})


@pytest.mark.parametrize(("rate", "group", "value"), [(0.1, 0, 0.1), (0.1, 3, 0.1), ([0.1, 0.2], 1, 0.2)])
def test_a_value_is_for_all_groups_or_one_for_each(rate: Any, group: int, value: float) -> None:
    assert of_group(rate, group, "base_lr") == value
    assert spec(base_lr=rate, group=group).rate() == value


def test_a_group_that_is_not_there_and_a_missing_rate_are_named() -> None:
    with pytest.raises(ValueError, match="`base_lr` has 2 entries, so there is no `group` 2"):
        spec(base_lr=[0.1, 0.2], group=2).rate()
    with pytest.raises(ValueError, match="`base_lr` is missing"):
        spec().rate()


def test_a_nested_scheduler_takes_what_it_lacks_from_the_one_around_it() -> None:
    around = spec(base_lr=[0.1, 0.2], group=1)
    assert isinstance(around, FromOptimizer)
    assert inherit(spec(), around).rate() == 0.2
    assert inherit(spec(base_lr=0.7, group=0), around).rate() == 0.7
    constant = schedule({"kind": "constant", "value": 1.0})
    assert inherit(constant, around) is constant


def test_an_int_is_no_float_where_the_library_wants_one() -> None:
    floats: TypeAdapter[float] = TypeAdapter(OnlyFloat)
    assert floats.validate_python(3.0) == 3.0
    with pytest.raises(ValidationError, match=r"as the library wants it: 3\.0, not 3\."):
        floats.validate_python(3)
