"""Schedulers of a value in the engine's state. The first event is step 1."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.decays import exponential
from app.dialects.functions import expression
from app.dialects.ignite.schedulers import IgniteScheduler, Through
from schemas.base import MAX_STEP, Count
from schemas.compose import formula, points
from schemas.specs import Spec


class IgnitePiecewiseLinearStateScheduler(Through):
    """Straight lines through given values. The first event is step 1."""

    kind: Literal["ignite.PiecewiseLinearStateScheduler"]

    formula = "v_i + (v_(i+1) - v_i)*(t - s_i)/(s_(i+1) - s_i)"
    aliases = ("piecewise linear", "milestones", "state")
    example = {"milestones_values": [[0, 0.0], [10, 0.1], [100, 0.0]]}


class IgniteLambdaStateScheduler(IgniteScheduler):
    """A function of the event. The first event is step 1."""

    kind: Literal["ignite.LambdaStateScheduler"]
    lambda_obj: Annotated[str, Field(min_length=1, max_length=4096)]
    """The value as a formula of `event_index`, or a whole `lambda`."""

    formula = "lambda_obj(t)"
    aliases = ("lambda", "formula", "state")
    example = {"lambda_obj": "10 * 0.9**event_index"}

    def lower(self) -> Spec:
        return formula(expression(self.lambda_obj, event_index="step", step="step", epoch="step", iteration="step"))


class IgniteExpStateScheduler(IgniteScheduler):
    """Multiplied by `gamma` with every event. The first event is step 1, so the initial value is that of step 0."""

    kind: Literal["ignite.ExpStateScheduler"]
    initial_value: float
    """Value at step 0."""
    gamma: float
    """The factor."""

    formula = "initial_value * gamma^t"
    aliases = ("exponential", "state")
    example = {"initial_value": 10.0, "gamma": 0.99}

    def lower(self) -> Spec:
        return exponential(self.initial_value, self.gamma)


class IgniteStepStateScheduler(IgniteScheduler):
    """Multiplied by `gamma` every `step_size` events. The first event is step 1."""

    kind: Literal["ignite.StepStateScheduler"]
    initial_value: float
    """Value at step 0."""
    gamma: float
    """The factor."""
    step_size: Count
    """Events per factor."""

    formula = "initial_value * gamma^floor(t/step_size)"
    aliases = ("step decay", "staircase", "state")
    example = {"initial_value": 10.0, "gamma": 0.9, "step_size": 5}

    def lower(self) -> Spec:
        return exponential(self.initial_value, self.gamma, self.step_size, staircase=True)


class IgniteMultiStepStateScheduler(IgniteScheduler):
    """Multiplied by `gamma` at every milestone. The first event is step 1."""

    kind: Literal["ignite.MultiStepStateScheduler"]
    initial_value: float
    """Value before the first milestone."""
    gamma: float
    """The factor."""
    milestones: Annotated[list[Annotated[int, Field(ge=-MAX_STEP, le=MAX_STEP)]], Field(max_length=9_999)]
    """Steps, in any order; a milestone starts the next value."""

    formula = "initial_value * gamma^(number of milestones <= t)"
    aliases = ("milestones", "step decay", "state")
    example = {"initial_value": 10.0, "gamma": 0.5, "milestones": [3, 6, 60]}

    def lower(self) -> Spec:
        stairs = enumerate(sorted(self.milestones), 1)
        values = ((step, self.initial_value * self.gamma**passed) for passed, step in stairs)
        return points((-MAX_STEP, self.initial_value), *values)
