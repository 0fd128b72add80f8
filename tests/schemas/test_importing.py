"""A configuration to import: any object, not too large, and lengths that make sense."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.importing import Import


def test_a_configuration_is_any_object() -> None:
    data = {"config": {"T_max": 100, "nested": [{"a": None}]}, "library": "torch", "base_lr": 0.1}
    assert Import.model_validate(data).to_json() == data
    text = {"text": "lr: 0.1", "format": "yaml", "deepspeed": {"scheduler": None}}
    assert Import.model_validate(text).to_json() == text


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"config": [1]},
        {"config": {}, "total_steps": 0},
        {"config": {}, "steps_per_epoch": 0.0},
        {"config": {}, "librarry": "torch"},
        {"config": {}, "library": "x" * 101},
        {"config": {}, "text": "{}"},
        {"config": {}, "format": "yaml"},
        {"text": "{}", "format": "ini"},
        {"text": "x" * 100_001},
    ],
    ids=str,
)
def test_what_is_none_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Import.model_validate(data)


def test_one_that_is_nested_without_end_is_refused_before_it_is_read() -> None:
    config: dict[str, Any] = {}
    for _ in range(1000):
        config = {"inner": config}
    with pytest.raises(ValidationError, match="nested more than"):
        Import.model_validate({"config": config})
