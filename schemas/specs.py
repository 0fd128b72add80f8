"""What every schedule spec is, the registry of kinds, and `Schedule`, the type under which specs nest in each other.

A spec class enters the registry by being defined. It says its own documentation: the docstring is the summary, and the
class variables below are what the catalogue shows. A kind that is built from others has `lower`: it gives a spec of
simpler kinds.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, get_args

from pydantic import ConfigDict, PlainValidator, SerializeAsAny, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypeAliasType

from schemas.base import Model, Warned, nearest

KINDS: dict[str, type["Spec"]] = {}
"""Every kind that is defined, by name."""


class Spec(Model):
    """A schedule: a pure function from a step to a number."""

    model_config = ConfigDict(defer_build=True)

    kind: str
    """Name of the kind."""

    formula: ClassVar[str] = ""
    """The value, in the names of the fields and the step `t` or the local time `u`."""
    source: ClassVar[str] = "Lockstep"
    """Where it comes from; `{name}` is the kind without its library."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names that it may be looked for by."""
    example: ClassVar[dict[str, Any]] = {}
    """Fields of one that can be evaluated; `kind` is added."""
    lasts: ClassVar[bool] = False
    """Whether it comes down to a value that is meant to last."""
    nests: ClassVar[bool] = True
    """Whether it may stand inside other schedules."""

    def drives(self) -> tuple[str, ...]:
        """What it sets of the optimizer: the tracks of a plan whose preset it is. `quantity` says which it gives."""
        return ("lr",)

    def remarks(self) -> Iterable[Warned]:
        """Warnings of what its library makes of these parameters that nobody expects; pointers are into itself."""
        return ()

    def last_step(self) -> float | None:
        """The last step of its own clock that its library computes, where the library raises an error beyond it."""
        return None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Enter the class under its kind, if it is a kind and no common base. Raises `TypeError` for a kind twice."""
        super().__pydantic_init_subclass__(**kwargs)
        for kind in get_args(cls.model_fields["kind"].annotation):
            if kind in KINDS:
                raise TypeError(f"{cls.__name__} is of kind {kind!r}, which is {KINDS[kind].__name__} already")
            KINDS[kind] = cls
            cls.source = cls.source.replace("{name}", kind.partition(".")[2])
            cls.example = {"kind": kind} | cls.example | {"kind": kind}


class Lowered(Spec):
    """A schedule that is short for other schedules."""

    def lower(self) -> Spec:
        """The simpler spec that this one stands for. A `ValueError` says what is wrong with the parameters."""
        raise NotImplementedError


def schedule(data: Any) -> Spec:
    """The spec that plain JSON data describes, of the kind that it names; a spec is itself.

    Raises pydantic's `ValidationError`, or inside a validator what becomes one.
    """
    if isinstance(data, Spec):
        return data
    if not isinstance(data, dict):
        raise PydanticCustomError("schedule", "a schedule is an object: `kind` and the parameters of that kind")
    if "kind" not in data:
        raise _of_kind({"type": "missing", "loc": ("kind",), "input": data})
    kind = data["kind"]
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind].model_validate(data)
    hint = nearest(kind, KINDS, most=3) if isinstance(kind, str) else ""
    shown = {"kind": repr(kind)[:100], "hint": hint}
    raise _of_kind(
        {"type": PydanticCustomError("kind", "there is no kind {kind}{hint}", shown), "loc": ("kind",), "input": kind}
    )


def _nested(data: Any) -> Spec:
    """The spec that data inside a schedule describes."""
    spec = schedule(data)
    if not spec.nests:
        raise PydanticCustomError("kind", "`{kind}` stands in the tracks of a plan only", {"kind": spec.kind})
    return spec


def _of_kind(error: InitErrorDetails) -> ValidationError:
    return ValidationError.from_exception_data("Schedule", [error])


SCHEDULE = {"type": "object", "title": "Schedule", "description": "Any schedule: an object with `kind`."}

Schedule = TypeAliasType(
    "Schedule", Annotated[Spec, PlainValidator(_nested), SerializeAsAny(), WithJsonSchema(SCHEDULE)]
)
