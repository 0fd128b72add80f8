"""What pydantic finds, in our words: what looking may cost, where errors point, and whose names are suggested."""

from typing import Any

import pytest
from pydantic import ValidationError

import app.dialects  # noqa: F401 - the kinds of the libraries
from app.validation import MOST_ERRORS, MOST_MADE, invalid, no_number, refused
from schemas.evaluate import Evaluate


def unknown(name: str) -> dict[str, Any]:
    """An error as pydantic gives it."""
    return {"type": "extra_forbidden", "loc": ("body", name), "msg": "", "input": 1}


def test_only_so_many_errors_are_looked_at_as_are_shown() -> None:
    wrong = [unknown(f"stepz{index}") for index in range(MOST_ERRORS)]
    untouched: list[dict[str, Any]] = [{}] * 100_000  # whatever reads one of these fails
    error = invalid([*wrong, *untouched], {name["loc"][1]: 1 for name in wrong}, Evaluate)
    assert [pointer for pointer, _ in error.errors] == [f"/stepz{index}" for index in range(MOST_ERRORS)]
    assert "(and 100049 more)" in error.detail
    assert "did you mean 'step" in error.errors[0][1]


class Mistakes:
    """As pydantic refuses: it tells how many there are, and makes all of them or none."""

    def __init__(self, count: int) -> None:
        self.count, self.made = count, 0

    def error_count(self) -> int:
        return self.count

    def errors(self, include_url: bool) -> list[dict[str, Any]]:
        self.made += self.count
        return [unknown(f"stepz{index}") for index in range(self.count)]


@pytest.mark.parametrize(("count", "made"), [(MOST_MADE, MOST_MADE), (MOST_MADE + 1, 0), (10**9, 0)])
def test_of_too_many_errors_none_is_made(count: int, made: int) -> None:
    mistakes: Any = Mistakes(count)
    data = {"step": 1} | {f"stepz{index}": 1 for index in range(MOST_MADE)}
    error = refused(mistakes, data, Evaluate)
    assert mistakes.made == made
    assert error.errors == invalid([unknown(f"stepz{index}") for index in range(50)], data, Evaluate).errors
    assert f"(and {count - 1} more)" in error.detail


@pytest.mark.parametrize("data", [{"steps": ["x"] * 10}, [1], None])
def test_too_many_errors_that_are_not_at_the_top_are_counted(data: Any) -> None:
    mistakes: Any = Mistakes(10**6)
    error = refused(mistakes, data, Evaluate)
    assert error.errors == [("", "there are too many mistakes to name them")]
    assert error.detail == "the request: there are too many mistakes to name them (and 999999 more)"


def test_no_suggestion_is_looked_for_where_a_name_is_like_none() -> None:
    error = invalid([unknown("step" * 100)], {"step" * 100: 1}, Evaluate)
    assert "did you mean" not in error.errors[0][1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1e-5", '"1e-5" is not a number but a text; in YAML 1.1 the number is 1.0e-5'),
        ("-2E4", "the number is -2.0e+4"),
        ("0.1", '"0.1" is not a number but a text'),
        ("${lr}", "fill it in first"),
        ([0.1], "[0.1] is not a number"),
    ],
)
def test_a_text_is_called_one_where_a_number_belongs(value: object, said: str) -> None:
    assert no_number(value).endswith(said) or said in no_number(value)
    error = {"type": "float_type", "loc": ("value",), "msg": "input should be a number", "input": "x"}
    assert invalid([error], {"value": "x"}, Evaluate).errors == [("/value", '"x" is not a number but a text')]


def test_the_pointer_and_the_suggestion_are_those_of_the_innermost_object() -> None:
    inner = {"min_learning_rate": 1e-5}
    kind = {"kind": "transformers.cosine_with_min_lr", "base_lr": 1e-4, "scheduler_specific_kwargs": inner}
    body = {"schedule": {**kind, "num_warmup_steps": 10, "num_training_steps": 100}, "steps": [0]}
    with pytest.raises(ValidationError) as caught:
        Evaluate.model_validate(body)
    (error,) = invalid(caught.value.errors(include_url=False), body, Evaluate).errors
    assert error[0] == "/schedule/scheduler_specific_kwargs/min_learning_rate"
    assert "did you mean 'min_lr" in error[1]
