"""Every kind of schedule there is, and the one type that takes any of them. A new kind is one more in `MODELS`."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypeAliasType

from schemas import shorthands
from schemas.dialects import DIALECTS
from schemas.folds import Greedy, ReduceOnPlateau
from schemas.schedules import NATIVE
from schemas.specs import Spec

SHORTHANDS: tuple[type[Spec], ...] = (
    shorthands.Warmup,
    shorthands.Piecewise,
    shorthands.Cyclic,
    shorthands.WarmupCosine,
    shorthands.Wsd,
    shorthands.OneCycle,
    shorthands.InverseSqrt,
    shorthands.RangeTest,
)
FOLDS: tuple[type[Spec], ...] = (ReduceOnPlateau, Greedy)

MODELS: tuple[type[Spec], ...] = (*NATIVE, *SHORTHANDS, *FOLDS, *DIALECTS)
KINDS: dict[str, type[Spec]] = {model.model_fields["kind"].annotation.__args__[0]: model for model in MODELS}  # type: ignore[union-attr]

if TYPE_CHECKING:
    AnySchedule = Spec
else:
    AnySchedule = TypeAliasType("AnySchedule", Annotated[reduce(or_, MODELS), Field(discriminator="kind")])


def settle(*models: type[BaseModel]) -> None:
    """Build models of requests now, rather than at their first use. Kinds are built once, as parts of `AnySchedule`."""
    for model in models:
        model.model_rebuild(_types_namespace={"AnySchedule": AnySchedule})


_ANY: TypeAdapter[Spec] = TypeAdapter(AnySchedule)


def schedule(data: Any) -> Spec:
    """The spec that plain JSON data describes; raises pydantic's ValidationError."""
    return _ANY.validate_python(data)
