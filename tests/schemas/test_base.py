"""What every model on the wire holds to: strict types, no unknown field, finite numbers, names of a known form."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.base import MAX_STEP, Model, RunName, Step, TrackName, field_docs, nearest


class Small(Model):
    """One of each."""

    count: int = 0
    share: float = 0.0
    name: str = ""


class Documented(Model):
    """With a text below each field."""

    first: int = 0
    """Of one line."""
    second: int = 0
    """Of one line,
    and another.
    """


class Derived(Documented):
    """One of them anew, and one more."""

    first: int = 1
    third: int = 0
    """Of its own."""


@pytest.mark.parametrize(
    "data",
    [
        {"count": True},
        {"count": "1"},
        {"count": 1.5},
        {"share": float("nan")},
        {"share": "0.1"},
        {"nam": "x"},
        {"name": 1},
    ],
    ids=str,
)
def test_what_is_not_exactly_it_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Small.model_validate(data)


def test_a_model_stays_as_it_is_and_says_only_what_was_set() -> None:
    small = Small(count=3)
    assert small.to_json() == {"count": 3}
    with pytest.raises(ValidationError):
        small.count = 4  # type: ignore[misc]


@pytest.mark.parametrize(("step", "good"), [(0, True), (MAX_STEP, True), (-1, False), (MAX_STEP + 1, False)])
def test_steps_are_those_that_a_float64_can_tell_apart(step: int, good: bool) -> None:
    assert float(MAX_STEP) != float(MAX_STEP - 1)
    assert float(MAX_STEP) == float(MAX_STEP + 1)
    assert accepts(Step, step) is good


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a", True),
        ("a.b_c:d-1", True),
        ("x" * 200, True),
        ("", False),
        ("x" * 201, False),
        ("-a", False),
        ("a/b", False),
    ],
)
def test_names_of_runs(name: str, good: bool) -> None:
    assert accepts(RunName, name) is good


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("lr", True),
        ("head/lr", True),
        ("0/lr", True),
        ("a.b:c-d/weight_decay", True),
        ("2lr", False),
        ("a/b/lr", False),
        ("", False),
    ],
)
def test_names_of_tracks(name: str, good: bool) -> None:
    assert accepts(TrackName, name) is good


@pytest.mark.parametrize(
    ("name", "most", "said"),
    [
        ("warmup_step", 1, "; did you mean 'warmup_steps'?"),
        ("WARMUP_STEPS", 1, "; did you mean 'warmup_steps'?"),
        ("peaks", 2, "; did you mean 'peak' or 'peek'?"),
        ("nothing", 1, ""),
    ],
)
def test_a_misspelt_name_finds_the_nearest(name: str, most: int, said: str) -> None:
    assert nearest(name, ["warmup_steps", "peak", "peek"], most) == said


def test_a_field_has_the_text_below_it_until_it_is_defined_anew() -> None:
    assert field_docs(Documented) == {"first": "Of one line.", "second": "Of one line,\nand another."}
    assert field_docs(Derived) == {"second": "Of one line,\nand another.", "third": "Of its own."}


def accepts(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
