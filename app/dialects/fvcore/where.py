"""The share of the run that is done, `where` = t/N, which every scheduler is a function of.

`num_updates` is N, the steps of the run; left out, it is the `total_steps` of the plan or of the request. Steps beyond
N are outside fvcore's domain.
"""

from dataclasses import dataclass

from app.dialects.decays import first_step
from schemas.durations import RunLength
from schemas.specs import Lowered, Spec

EPSILON = 1e-6  # fvcore's WHERE_EPSILON
SOURCE = "fvcore.common.param_scheduler.{name}, fvcore 0.1.5.post20221221"


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

    source = SOURCE

    def run(self) -> float | None:
        """Steps of the run, if given."""
        raise NotImplementedError

    def raises(self, where: float) -> bool:
        """Whether fvcore raises an error there, as it does from there on."""
        return False

    def last_step(self) -> float | None:
        steps = self.run()
        if steps is None:
            return None
        first = first_step(lambda step: self.raises(Where(steps).at(step)))
        return None if first is None else first - 1

    def curve(self, where: Where) -> Spec:
        """The values where `where` is the share of the run that is done."""
        raise NotImplementedError

    def lower(self) -> Spec:
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
