"""Stateless requests: one subject, one way to say the steps, and pictures of a size that can be drawn."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.evaluate import Evaluate, Explain, Plot, StepRange

LR = {"kind": "constant", "value": 0.1}
PLAN = {"tracks": {"lr": LR}}


@pytest.mark.parametrize("subject", [{"schedule": LR}, {"plan": PLAN}])
@pytest.mark.parametrize(
    "steps", [{}, {"step": 3}, {"steps": [5, 1, 1]}, {"steps": {"stop": 9}}, {"steps": {"start": 9, "stop": 9}}]
)
def test_a_subject_at_steps(subject: dict[str, Any], steps: dict[str, Any]) -> None:
    asked = Evaluate.model_validate(subject | steps)
    assert asked.to_json() == subject | steps


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "`schedule` or `plan`, one of them"),
        ({"schedule": LR, "plan": PLAN}, "`schedule` or `plan`, one of them"),
        ({"schedule": LR, "steps": [1], "step": 1}, "`steps` or `step`, not both"),
        ({"schedule": LR, "steps": {"start": 5, "stop": 4}}, "`stop` must not be below `start`"),
        ({"schedule": LR, "steps": {"stop": 4, "stride": 0}}, "greater than or equal to 1"),
        ({"schedule": LR, "points": 1}, "greater than or equal to 2"),
        ({"schedule": LR, "metrics": ["none"]}, "metrics"),
    ],
)
def test_what_is_not_clear_is_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Evaluate.model_validate(data)


def test_metrics_may_be_no_numbers_by_name() -> None:
    asked = Evaluate.model_validate({"schedule": LR, "metrics": [1.0, "nan", "inf", "-inf"]})
    assert asked.metrics == [1.0, "nan", "inf", "-inf"]


def test_an_explanation_is_of_a_range() -> None:
    assert Explain.model_validate({"plan": PLAN, "steps": {"stop": 5}}).steps == StepRange(stop=5)
    with pytest.raises(ValidationError):
        Explain.model_validate({"plan": PLAN, "steps": [1, 2]})


@pytest.mark.parametrize(
    ("data", "good"),
    [
        ({"schedule": LR}, True),
        ({"schedules": {"a": LR, "b": LR}}, True),
        ({"plan": PLAN, "marks": [{"step": 3}]}, True),
        ({}, False),
        ({"schedule": LR, "plan": PLAN}, False),
        ({"schedules": {}}, False),
        ({"schedules": {str(number): LR for number in range(21)}}, False),
        ({"schedule": LR, "width": 41.0}, False),
        ({"schedule": LR, "height": 0.5}, False),
    ],
)
def test_a_picture_is_of_one_subject_and_of_a_size(data: dict[str, Any], good: bool) -> None:
    if good:
        assert Plot.model_validate(data).to_json() == data
    else:
        with pytest.raises(ValidationError):
            Plot.model_validate(data)
