"""Import: what people have from a library, turned into a schedule or a plan."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from schemas.base import Count, Model, Pointed, Positive, Text, Warned
from schemas.bounds import check_size


class Import(Model):
    """A configuration as a library writes it, as an object or as a text, and what it does not say itself."""

    config: dict[str, Any] | None = None
    """The configuration: a scheduler's `state_dict()`, the arguments of a training script, a file's content. Which
    libraries' are read stands in the documentation, under files."""
    text: Annotated[Text, Field(max_length=100_000)] | None = None
    """Instead of `config`, the file as it is; pointers into it begin with /text."""
    format: Literal["json", "toml", "yaml"] | None = None
    """What the text is written in; found out where absent."""
    library: Annotated[Text, Field(max_length=100)] | None = None
    """Whose it is; found out from its fields where absent."""
    deepspeed: dict[str, Any] | None = None
    """transformers, axolotl: the DeepSpeed configuration that goes with it, `"auto"` and all."""
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

    @model_validator(mode="after")
    def _one_file(self) -> "Import":
        if (self.config is None) == (self.text is None):
            raise ValueError("give the configuration as `config`, or as `text`")
        if self.format is not None and self.text is None:
            raise ValueError("`format` goes with `text`")
        return self


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
