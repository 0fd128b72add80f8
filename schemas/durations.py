"""Lengths of time as people write them: steps, epochs (`"12ep"`), or a share of the run (`"3%"`)."""

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.base import MAX_STEP

DURATION_TEXT = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,16})?)(ep|%)")


def _duration(value: Any, *, positive: bool) -> int | float | str:
    if isinstance(value, str) and DURATION_TEXT.fullmatch(value):
        return value
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (value > 0 if positive else value >= 0)
        and value <= MAX_STEP
    ):
        return value
    bound = "above 0" if positive else "from 0"
    raise PydanticCustomError(
        "duration",
        'a duration is a number of steps {bound} up to 2**53, or a text: "12ep" (epochs), "3%" (of total_steps)',
        {"bound": bound},
    )


class Unit:
    """Marks the fields that hold durations, so that one function can find and resolve them all.

    `whole_run` is one that means the length of the run, where that is known, if it is left out.
    """

    def __init__(self, *, positive: bool, whole_run: bool = False) -> None:
        self.positive = positive
        self.whole_run = whole_run


def _json_schema(bound: str) -> dict[str, Any]:
    number = {"type": "number", bound: 0, "maximum": MAX_STEP}
    text = {"type": "string", "pattern": f"^{DURATION_TEXT.pattern}$", "examples": ["12ep", "3%"]}
    return {"anyOf": [number, text], "description": "Steps, epochs as text, or a share of total_steps as text."}


Duration = Annotated[
    int | float | str,
    PlainValidator(lambda value: _duration(value, positive=False)),
    WithJsonSchema(_json_schema("minimum")),
    Unit(positive=False),
]
PositiveDuration = Annotated[
    int | float | str,
    PlainValidator(lambda value: _duration(value, positive=True)),
    WithJsonSchema(_json_schema("exclusiveMinimum")),
    Unit(positive=True),
]
RunLength = Annotated[
    int | float | str | None,
    PlainValidator(lambda value: None if value is None else _duration(value, positive=True)),
    WithJsonSchema({"anyOf": [_json_schema("exclusiveMinimum"), {"type": "null"}]}),
    Unit(positive=True, whole_run=True),
]
