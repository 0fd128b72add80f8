"""OLMo-core's schedulers that are made of parts."""

from itertools import zip_longest
from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.dialects.olmo_core.forms import OlmoCore
from schemas.base import Count, Model, NotNegative
from schemas.compose import clock, constant, ramp, sequence
from schemas.specs import Schedule, Spec


class OlmoCoreSequentialScheduler(OlmoCore):
    """Schedulers one after another, each with the last rate of the one before as its own.

    The step at which one ends is still its own; the next goes on from its own step 1. `override_decay` is not taken:
    a ramp as an action on the run does that.
    """

    kind: Literal["olmo_core.SequentialScheduler"]
    schedulers: Annotated[list[Schedule], Field(min_length=1, max_length=64)]
    """The schedulers, from OLMo-core themselves; their rate and their `max_steps` come from here."""
    schedulers_max: Annotated[list[Count], Field(max_length=64)]
    """Steps of each but the last, which has the rest of the run; one for the last is without effect."""

    formula = "schedulers[i](r_i, t - s_i, n_i) for s_i < t <= s_i + n_i, r_i the value of the one before at its n"
    aliases = ("sequence", "join", "olmo")
    example = {
        "schedulers": [
            {"kind": "olmo_core.CosWithWarmup", "warmup": 10},
            {"kind": "olmo_core.LinearWithWarmup", "warmup": 0, "alpha_f": 0.0},
        ],
        "schedulers_max": [80],
        "base_lr": 4e-4,
        "max_steps": 100,
    }

    @model_validator(mode="after")
    def _one_length_fewer(self) -> "OlmoCoreSequentialScheduler":
        count = len(self.schedulers)
        if len(self.schedulers_max) not in (count - 1, count):
            raise ValueError(f"`schedulers_max` must be one fewer than `schedulers`: {count - 1}.")
        for index, member in enumerate(self.schedulers):
            if not isinstance(member, OlmoCore):
                raise ValueError(f"`schedulers`: member {index} is {member.kind}, and this takes OLMo-core's only.")
            if own := {"base_lr", "max_steps"} & member.model_fields_set:
                raise ValueError(f"`schedulers`: member {index} takes its `{min(own)}` from here; leave it out.")
        return self

    def parts(self) -> list[OlmoCore]:
        """The schedulers that the run comes to, each with its rate and its steps."""
        parts: list[OlmoCore] = []
        rate, left = self.rate(), self.run()
        for member, most in zip_longest(self.schedulers, self.schedulers_max[: len(self.schedulers) - 1]):
            assert isinstance(member, OlmoCore)
            steps = left if most is None else min(left, most)
            parts.append(member.model_copy(update={"base_lr": rate, "max_steps": steps}))
            left -= steps
            if not left:
                break
            rate = parts[-1].last()
        return parts

    def lower(self) -> Spec:
        phases: list[tuple[Spec, float | None]] = []
        *before, final = self.parts()
        for part in before:
            phases.append((clock(part, 1), part.run()) if phases else (part, part.run() + 1))
        return sequence(*phases, (clock(final, 1 if phases else 0), None))

    def last(self) -> float:
        return self.parts()[-1].last()


class Stage(Model):
    """A stage of a ComposableScheduler: rates are given themselves or as a share of the optimizer's."""

    duration: Count
    """Its steps."""
    shape: Literal["linear", "cosine"] = "linear"
    """How it gets from its start to its end."""
    start_lr: NotNegative | None = None
    """Rate at its start."""
    start_lr_fraction: NotNegative | None = None
    """Or its share; if both are left out, where the stage before ends."""
    end_lr: NotNegative | None = None
    """Rate at its end."""
    end_lr_fraction: NotNegative | None = None
    """Or its share."""

    @model_validator(mode="after")
    def _one_of_each(self) -> "Stage":
        if self.start_lr is not None and self.start_lr_fraction is not None:
            raise ValueError("Give one of `start_lr` and `start_lr_fraction`.")
        if (self.end_lr is None) == (self.end_lr_fraction is None):
            raise ValueError("Give one of `end_lr` and `end_lr_fraction`.")
        return self

    def start(self, rate: float, before: float) -> float:
        """The rate at its start."""
        if self.start_lr is not None:
            return self.start_lr
        return before if self.start_lr_fraction is None else rate * self.start_lr_fraction

    def end(self, rate: float) -> float:
        """The rate at its end."""
        return rate * (self.end_lr_fraction or 0.0) if self.end_lr is None else self.end_lr


class OlmoCoreComposableScheduler(OlmoCore):
    """Stages, each a straight line or half a cosine from where the one before ends; the last rate is held.

    The length of the run has no part in it. `override_decay` is not taken, as in a SequentialScheduler.
    """

    kind: Literal["olmo_core.ComposableScheduler"]
    stages: Annotated[list[Stage], Field(min_length=1, max_length=1000)]
    """The stages; the first starts from the optimizer's rate if it says nothing else."""

    formula = "a + (b - a)*u/n, or b + (a - b)*(1 + cos(pi*u/n))/2, in a stage of n steps from a to b"
    aliases = ("stages", "piecewise", "olmo")
    example = {
        "stages": [
            {"duration": 10, "start_lr": 0.0, "end_lr_fraction": 1.0},
            {"duration": 60, "end_lr_fraction": 1.0},
            {"duration": 30, "end_lr": 0.0, "shape": "cosine"},
        ],
        "base_lr": 4e-4,
    }

    def lower(self) -> Spec:
        rate = value = self.rate()
        phases: list[tuple[Spec, float | None]] = []
        for stage in self.stages:
            start, value = stage.start(rate, value), stage.end(rate)
            phases.append((ramp(start, value, stage.duration, stage.shape), stage.duration))
        return sequence(*phases, (constant(value), None))

    def last(self) -> float:
        if sum(stage.duration for stage in self.stages) > self.run():
            raise ValueError("`stages` must fit into the steps of a scheduler that another one follows.")
        return self.stages[-1].end(self.rate())
