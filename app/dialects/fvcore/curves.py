"""The schedulers of one formula."""

from math import floor
from typing import Literal

from app.dialects.decays import exponential, on_from
from app.dialects.functions import number
from app.dialects.fvcore.where import SOURCE, OverTheRun, Where
from schemas.base import NotNegative
from schemas.compose import constant, formula, ramp
from schemas.specs import Spec


class FvcoreConstantParamScheduler(OverTheRun):
    """The same value for the whole run; fvcore raises at its end."""

    kind: Literal["fvcore.ConstantParamScheduler"]
    value: float
    """The value."""

    formula = "value"
    aliases = ("detectron2",)
    example = {"value": 0.1, "num_updates": 100}

    def raises(self, where: float) -> bool:
        return where >= 1

    def curve(self, where: Where) -> Spec:
        return constant(self.value)


class FvcoreLinearParamScheduler(OverTheRun):
    """From one value to another in a straight line."""

    kind: Literal["fvcore.LinearParamScheduler"]
    start_value: float
    """Value at the start."""
    end_value: float
    """Value at the end."""

    formula = "end_value*where + start_value*(1 - where), where = t/num_updates"
    aliases = ("detectron2", "linear warmup")
    example = {"start_value": 0.1, "end_value": 0.001, "num_updates": 100}

    def curve(self, where: Where) -> Spec:
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

    formula = "end_value + (start_value - end_value)*(1 + cos(pi*where))/2, where = t/num_updates"
    source = f"{SOURCE}; Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases = ("detectron2", "cosine")
    example = FvcoreLinearParamScheduler.example

    def curve(self, where: Where) -> Spec:
        if where.whole():
            return ramp(self.start_value, self.end_value, where.steps, "cosine", past="continue")
        half = f"0.5 * {number(self.start_value - self.end_value)}"
        return formula(f"{number(self.end_value)} + {half} * (1 + cos(pi * share))", share=where.text())


class FvcoreExponentialParamScheduler(OverTheRun):
    """Down to a share of the first value, by the same factor in every step."""

    kind: Literal["fvcore.ExponentialParamScheduler"]
    start_value: float
    """Value at the start."""
    decay: NotNegative
    """Share of it at the end."""

    formula = "start_value * decay^where, where = t/num_updates"
    aliases = ("detectron2",)
    example = {"start_value": 0.1, "decay": 0.02, "num_updates": 100}

    def curve(self, where: Where) -> Spec:
        if where.whole():
            return exponential(self.start_value, self.decay, where.steps)
        return formula(f"{number(self.start_value)} * {self.decay!r} ** share", share=where.text())


class FvcorePolynomialDecayParamScheduler(OverTheRun):
    """Down to 0 as a power of what is left of the run.

    Beyond it a whole power goes on, down or up again, as in fvcore; of another, fvcore gives a complex number, and here
    it stays 0.
    """

    kind: Literal["fvcore.PolynomialDecayParamScheduler"]
    base_value: float
    """Value at the start."""
    power: NotNegative
    """The power; 1 is a straight line."""

    formula = "base_value * (1 - where)^power, where = t/num_updates"
    aliases = ("detectron2", "poly")
    example = {"base_value": 0.1, "power": 0.9, "num_updates": 100}

    def raises(self, where: float) -> bool:
        return where > 1 and self.power != floor(self.power)

    def curve(self, where: Where) -> Spec:
        if self.power != floor(self.power):
            if where.whole():
                return ramp(self.base_value, 0.0, where.steps, "polynomial", power=self.power)
            return formula(f"{number(self.base_value)} * max(1 - {where.text()}, 0) ** {self.power!r}")
        power = formula(f"{number(self.base_value)} * (1 - {where.text()}) ** {self.power!r}")
        return on_from(power, where.steps) if where.whole() else power
