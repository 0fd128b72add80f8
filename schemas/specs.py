"""What every schedule spec is, and the name `Schedule` under which specs nest in each other.

A spec class says its own documentation: the docstring is the summary, and the class variables below are what the
catalogue shows. A kind that is built from others has `lower`: it gives a spec of simpler kinds, as plain JSON data.
"""

from typing import TYPE_CHECKING, Any, ClassVar, ForwardRef

from pydantic import ConfigDict

from schemas.base import Model


class Spec(Model):
    """A schedule: a pure function from a step to a number."""

    model_config = ConfigDict(defer_build=True)

    kind: str
    """Name of the kind."""

    formula: ClassVar[str] = ""
    source: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[dict[str, Any]] = {}


class Lowered(Spec):
    """A schedule that is short for other schedules."""

    def lower(self) -> dict[str, Any]:
        """The spec that this one stands for. A `ValueError` says what is wrong with the parameters."""
        raise NotImplementedError


if TYPE_CHECKING:
    Schedule = Spec
else:
    Schedule = ForwardRef("AnySchedule", module="schemas.kinds")  # any kind there is
