"""Import: what people have from a library, turned into a schedule or a plan."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from schemas.base import Count, Model, Pointed, Positive, Text, Warned
from schemas.bounds import check_size


class Import(Model):
    """A configuration as a library writes it, and what it does not say itself."""

    config: dict[str, Any]
    """torch: a scheduler's `state_dict()`; transformers: the JSON of `TrainingArguments`; deepspeed: its config file;
    keras: `get_config()` of a schedule or an optimizer, or `keras.optimizers.schedules.serialize(schedule)`."""
    library: Annotated[Text, Field(max_length=100)] | None = None
    """Whose it is; found out from its fields where absent."""
    optimizer: dict[str, Any] | None = None
    """torch: the optimizer's `state_dict()`, which keeps some of a scheduler's rates."""
    base_lr: float | None = None
    """The optimizer's rate, where the configuration leaves it open."""
    total_steps: Count | None = None
    """Length of the run in updates, where the configuration leaves it open."""
    steps_per_epoch: Positive | None = None
    """Updates per epoch, where the configuration counts in epochs."""

    @model_validator(mode="before")
    @classmethod
    def _small_enough(cls, data: Any) -> Any:
        return check_size(data)


class Imported(Model):
    """What came of it: a schedule, or a plan where it has several tracks."""

    schedule: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    library: str
    step: int | None = None
    """Where the configuration stands in its schedule, if it says so."""
    read: list[Pointed]
    """What was used, and how."""
    ignored: list[Pointed]
    """What was not, and why."""
    warnings: list[Warned]
