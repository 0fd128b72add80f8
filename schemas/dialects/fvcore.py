"""fvcore 0.1.5: schedulers of the share of the run that is done, `where` = t/N.

`num_updates` is N, the steps of the run; left out, it is the `total_steps` of the plan or of the request. Steps beyond
N are outside fvcore's domain. Here are the curves; stairs and the composite have a file of their own.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from schemas.dialects.common import Json, constant, formula, number, ramp
from schemas.dialects.decays import exponential
from schemas.durations import RunLength
from schemas.specs import Lowered, Spec

EPSILON = 1e-6  # fvcore's WHERE_EPSILON
SOURCE = "fvcore.common.param_scheduler.{}, fvcore 0.1.5.post20221221"

Positive = Annotated[float, Field(gt=0)]
Values = Annotated[list[float], Field(min_length=1, max_length=5000)]


@dataclass(frozen=True)
class Where:
    """How `where` follows from the step: (t + begin)/steps, then rescaled by every composite around the scheduler."""

    steps: float
    begin: int = 0
    rescaled: tuple[tuple[float, float], ...] = ()

    def at(self, step: int) -> float:
        """The value at a step of the clock in use."""
        where = (step + self.begin) / self.steps
        for start, length in self.rescaled:
            where = (where - start) / length
        return where

    def text(self) -> str:
        """The same as an expression of `step`."""
        where = f"(step + {self.begin}) / {self.steps!r}" if self.begin else f"step / {self.steps!r}"
        for start, length in self.rescaled:
            where = f"({where} - {start!r}) / {length!r}"
        return where

    def whole(self) -> bool:
        """Whether it goes from 0 at step 0 to 1 at step `steps`."""
        return not self.begin and not self.rescaled


class Fvcore(Lowered):
    """A scheduler of the share of the run."""

    def run(self) -> float | None:
        """Steps of the run, if given."""
        raise NotImplementedError

    def curve(self, where: Where) -> Json:
        """The values where `where` is the share of the run that is done."""
        raise NotImplementedError

    def lower(self) -> Json:
        """the curve over the run"""
        steps = self.run()
        if steps is None:
            raise ValueError(
                "`num_updates` is missing: the steps of the run; or give the plan or request `total_steps`."
            )
        return self.curve(Where(float(steps)))


class OverTheRun(Fvcore):
    """A scheduler that has no length of its own."""

    num_updates: RunLength = None
    """Steps of the run; `total_steps` if left out."""

    def run(self) -> float | None:
        return None if self.num_updates is None else float(self.num_updates)


class FvcoreConstantParamScheduler(OverTheRun):
    """The same value for the whole run; fvcore raises at its end."""

    kind: Literal["fvcore.ConstantParamScheduler"]
    value: float
    """The value."""

    formula: ClassVar[str] = "value"
    source: ClassVar[str] = SOURCE.format("ConstantParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.ConstantParamScheduler",
        "value": 0.1,
        "num_updates": 100,
    }

    def curve(self, where: Where) -> Json:
        return constant(self.value)


class FvcoreLinearParamScheduler(OverTheRun):
    """From one value to another in a straight line."""

    kind: Literal["fvcore.LinearParamScheduler"]
    start_value: float
    """Value at the start."""
    end_value: float
    """Value at the end."""

    formula: ClassVar[str] = "end_value*where + start_value*(1 - where), where = t/num_updates"
    source: ClassVar[str] = SOURCE.format("LinearParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2", "linear warmup")
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.LinearParamScheduler",
        "start_value": 0.1,
        "end_value": 0.001,
        "num_updates": 100,
    }

    def curve(self, where: Where) -> Json:
        if where.whole():
            return ramp(self.start_value, self.end_value, where.steps, past="continue")
        line = f"{number(self.end_value)} * share + {number(self.start_value)} * (1 - share)"
        return formula(line, share=where.text())


class FvcoreCosineParamScheduler(OverTheRun):
    """From one value to another in half a cosine."""

    kind: Literal["fvcore.CosineParamScheduler"]
    start_value: float
    """Value at the start."""
    end_value: float
    """Value at the end."""

    formula: ClassVar[str] = "end_value + (start_value - end_value)*(1 + cos(pi*where))/2, where = t/num_updates"
    source: ClassVar[str] = f"{SOURCE.format('CosineParamScheduler')}; Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases: ClassVar[tuple[str, ...]] = ("detectron2", "cosine")
    example: ClassVar[dict[str, Any]] = FvcoreLinearParamScheduler.example | {"kind": "fvcore.CosineParamScheduler"}

    def curve(self, where: Where) -> Json:
        if where.whole():
            return ramp(self.start_value, self.end_value, where.steps, "cosine", past="continue")
        half = f"0.5 * {number(self.start_value - self.end_value)}"
        return formula(f"{number(self.end_value)} + {half} * (1 + cos(pi * share))", share=where.text())


class FvcoreExponentialParamScheduler(OverTheRun):
    """Down to a share of the first value, by the same factor in every step."""

    kind: Literal["fvcore.ExponentialParamScheduler"]
    start_value: float
    """Value at the start."""
    decay: Annotated[float, Field(ge=0)]
    """Share of it at the end."""

    formula: ClassVar[str] = "start_value * decay^where, where = t/num_updates"
    source: ClassVar[str] = SOURCE.format("ExponentialParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2",)
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.ExponentialParamScheduler",
        "start_value": 0.1,
        "decay": 0.02,
        "num_updates": 100,
    }

    def curve(self, where: Where) -> Json:
        if where.whole():
            return exponential(self.start_value, self.decay, where.steps)
        return formula(f"{number(self.start_value)} * {self.decay!r} ** share", share=where.text())


class FvcorePolynomialDecayParamScheduler(OverTheRun):
    """Down to 0 as a power of what is left of the run; 0 beyond it."""

    kind: Literal["fvcore.PolynomialDecayParamScheduler"]
    base_value: float
    """Value at the start."""
    power: Annotated[float, Field(ge=0)]
    """The power; 1 is a straight line."""

    formula: ClassVar[str] = "base_value * (1 - where)^power, where = t/num_updates"
    source: ClassVar[str] = SOURCE.format("PolynomialDecayParamScheduler")
    aliases: ClassVar[tuple[str, ...]] = ("detectron2", "poly")
    example: ClassVar[dict[str, Any]] = {
        "kind": "fvcore.PolynomialDecayParamScheduler",
        "base_value": 0.1,
        "power": 0.9,
        "num_updates": 100,
    }

    def curve(self, where: Where) -> Json:
        if where.whole() and self.power > 0:
            return ramp(self.base_value, 0.0, where.steps, "polynomial", power=self.power)
        left = f"max(1 - {where.text()}, 0)"
        return formula(f"{number(self.base_value)} * {left} ** {self.power!r}")


MODELS: tuple[type[Spec], ...] = (
    FvcoreConstantParamScheduler,
    FvcoreLinearParamScheduler,
    FvcoreCosineParamScheduler,
    FvcoreExponentialParamScheduler,
    FvcorePolynomialDecayParamScheduler,
)
