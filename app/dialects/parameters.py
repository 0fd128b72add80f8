"""Parameters that libraries share: the optimizer's rate, values per parameter group, numbers that must be floats."""

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from schemas.base import Step
from schemas.specs import Lowered, Spec

PerGroup = float | list[float]
AnySpec = TypeVar("AnySpec", bound=Spec)


class FromOptimizer(Lowered):
    """A scheduler that reads the optimizer's rate."""

    base_lr: PerGroup | None = None
    """The optimizer's rate; one per parameter group with `group`. Absent inside another scheduler: that one's."""
    group: Step = 0
    """Index of the parameter group, where values are given per group."""

    def rate(self) -> float:
        """The rate of the group."""
        if self.base_lr is None:
            raise ValueError("`base_lr` is missing: the optimizer's rate, which the scheduler starts from.")
        return float(of_group(self.base_lr, self.group, "base_lr"))


def of_group(value: Any, group: int, name: str) -> Any:
    """The entry of the group if there is one per group, else the value."""
    if not isinstance(value, list):
        return value
    if group >= len(value):
        raise ValueError(f"`{name}` has {len(value)} entries, so there is no `group` {group}.")
    return value[group]


def inherit(member: AnySpec, parent: FromOptimizer) -> AnySpec:
    """A nested scheduler, with the rate and the group of the one around it where it has none."""
    if not isinstance(member, FromOptimizer):
        return member
    given = {"base_lr": parent.base_lr, "group": parent.group}
    lacks = {name: value for name, value in given.items() if value is not None and name not in member.model_fields_set}
    return member.model_copy(update=lacks)


def _a_float(value: Any) -> Any:
    if isinstance(value, int):
        raise ValueError(f"This must be a float, as the library wants it: {value}.0, not {value}.")
    return value


OnlyFloat = Annotated[float, BeforeValidator(_a_float)]
