"""What every wire model shares: strict types, no unknown fields, finite numbers, and the names in use."""

import ast
import difflib
import inspect
import textwrap
from array import array
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAX_STEP = 2**53  # above it float64 no longer tells neighbouring steps apart
MAX_NUMBER = 2**31 - 1  # what counts things, such as revisions, is an integer of 32 bits in a database
TEXT = r"^[^\x00]*$"
RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$"
ETAG = r'^(\*|(W/)?"?[0-9]{1,10}(\.[0-9a-f]{10}){0,2}"?)$'


class Model(BaseModel):
    """A request or answer. Strict: `true` is no number, `"1"` is no number, `nan` is no value, a typo is an error."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def to_json(self) -> dict[str, Any]:
        """The model as plain JSON data, without the fields that nobody set."""
        return self.model_dump(mode="json", exclude_unset=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON schema, in which the text below a field is its description.

        Pydantic's `use_attribute_docstrings` reads the source of every class as it is defined: half of a start.
        """
        document = handler(schema)
        properties = handler.resolve_ref_schema(document).get("properties", {})
        for name, text in field_docs(cls).items():
            field = cls.model_fields.get(name)
            if field is not None and (shown := properties.get(field.alias or name)) is not None:
                shown["description"] = text
        return document


Step = Annotated[int, Field(ge=0, le=MAX_STEP)]
Count = Annotated[int, Field(ge=1, le=MAX_STEP)]
Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
"""Of a revision, an attempt or an event."""
Number0 = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
"""The same, or 0 for none."""
Text = Annotated[str, Field(pattern=TEXT)]
"""Any text but for the character NUL, which PostgreSQL has none of."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Length = Annotated[float, Field(gt=0, le=MAX_STEP)]
Time = Annotated[float, Field(ge=-MAX_STEP, le=MAX_STEP)]
Share = Annotated[float, Field(ge=0, le=1)]
RunName = Annotated[str, Field(pattern=RUN_NAME)]
TrackName = Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9_.:-]{1,100}/)?[A-Za-z_][A-Za-z0-9_]{0,63}$")]


if TYPE_CHECKING:
    Floats = array[float]
else:
    Floats = array  # takes no parameters before Python 3.12


def _column(values: Any) -> Floats:
    """Numbers as they travel, null for what is none, as float64."""
    if isinstance(values, array):
        return values
    if not isinstance(values, list) or not all(type(value) in (int, float, type(None)) for value in values):
        raise ValueError("a column is a list of numbers")
    return array("d", [float("nan") if value is None else value for value in values])


def _numbers(column: Floats) -> list[float | None]:
    return [None if value != value else value for value in column]


NUMBER_OR_NULL = {"anyOf": [{"type": "number"}, {"type": "null"}]}
Column = Annotated[
    Floats,
    PlainValidator(_column),
    PlainSerializer(array.tolist, return_type=list),
    WithJsonSchema({"type": "array", "items": {"type": "number"}}),
]
"""The values of a track, float64 in memory and on the wire."""
GappyColumn = Annotated[
    Floats,
    PlainValidator(_column),
    PlainSerializer(_numbers, return_type=list),
    WithJsonSchema({"type": "array", "items": NUMBER_OR_NULL}),
]
"""The same with nan, null as JSON, where there is no value."""


class Pointed(Model):
    """One thing that is wrong, or worth a warning, and where: an RFC 6901 pointer into the request."""

    pointer: str
    detail: str


class Warned(Model):
    """A warning: the request was accepted, and this is what its author should know."""

    code: str
    detail: str
    pointer: str = ""

    def under(self, prefix: str) -> "Warned":
        """The same, of a part of something larger."""
        return self.at(prefix + self.pointer)

    def at(self, pointer: str) -> "Warned":
        """The same, elsewhere."""
        return self.model_copy(update={"pointer": pointer})


class Problem(Model):
    """An error answer, `application/problem+json` (RFC 9457). Conflicts carry further members that say what holds."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[Pointed] = Field(default_factory=list)


Encoding = Literal["application/json", "application/octet-stream"]


LONGEST_NAME = 200  # longer ones are like no name; comparing takes as long as they are


def nearest(name: str, names: Iterable[str], most: int = 1) -> str:
    """The end of a sentence that suggests the names most like a misspelt one; empty where none is like it.

    >>> nearest("warmup_step", ["warmup_steps", "peak"])
    "; did you mean 'warmup_steps'?"
    """
    if len(name) > LONGEST_NAME:
        return ""
    plain = {known.lower(): known for known in names}
    close = [repr(plain[like]) for like in difflib.get_close_matches(name.lower(), plain, n=most)]
    return f"; did you mean {' or '.join(close)}?" if close else ""


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The texts below a model's fields, those of what it derives from included, by the fields' names."""
    docs: dict[str, str | None] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model) and base is not Model:
            docs |= _own_docs(base)
    return {name: text for name, text in docs.items() if text is not None}


@cache  # many derive from it, and its source is read
def _own_docs(model: type[Model]) -> dict[str, str | None]:
    """The fields that a class defines itself, each with the text below it; a field without one may be defined anew."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    docs: dict[str, str | None] = {}
    for field, below in pairwise([*tree.body, None]):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(str(text))):
                docs[name] = inspect.cleandoc(text)
            case ast.AnnAssign(target=ast.Name(name)), _:
                docs[name] = None
    return docs
