"""Durations: steps, epochs, shares of the run, and what is none of them."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.durations import Duration, PositiveDuration, RunLength

KINDS: dict[str, TypeAdapter[Any]] = {
    "any": TypeAdapter(Duration),
    "positive": TypeAdapter(PositiveDuration),
    "run": TypeAdapter(RunLength),
}


@pytest.mark.parametrize("value", [1, 0.5, 2**53, "12ep", "0.5ep", "3%", "100.25%"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_duration_stays_as_it_was_written(kind: str, value: Any) -> None:
    assert KINDS[kind].validate_python(value) == value
    assert type(KINDS[kind].validate_python(value)) is type(value)


@pytest.mark.parametrize(
    "value", [-1, True, "12", "12 ep", "ep", "-3%", "3 %", "1e3ep", 2**53 + 1, float("nan"), float("inf"), [], {}]
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_none_is_refused_with_what_is_one(kind: str, value: Any) -> None:
    with pytest.raises(ValidationError, match='or a text: "12ep"'):
        KINDS[kind].validate_python(value)


def test_nothing_is_a_duration_only_where_it_may_be() -> None:
    assert KINDS["any"].validate_python(0) == 0
    assert KINDS["run"].validate_python(None) is None
    for kind, value in (("positive", 0), ("run", 0), ("any", None), ("positive", None)):
        with pytest.raises(ValidationError):
            KINDS[kind].validate_python(value)


def test_the_schema_says_the_same() -> None:
    number, text = KINDS["positive"].json_schema()["anyOf"]
    assert (number["type"], number["exclusiveMinimum"], number["maximum"]) == ("number", 0, 2**53)
    assert (text["type"], text["examples"]) == ("string", ["12ep", "3%"])
    assert KINDS["any"].json_schema()["anyOf"][0]["minimum"] == 0
