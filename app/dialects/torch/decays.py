"""Schedulers of one formula."""

from typing import Annotated, Literal

from pydantic import Field

from app.dialects.decays import exponential
from app.dialects.functions import number, of_step
from app.dialects.parameters import FromOptimizer, PerGroup, of_group
from app.dialects.torch.forms import LIMIT, SOURCE, Recursive, TorchScheduler
from schemas.base import Count, NotNegative, Share, Step
from schemas.compose import clock, formula, iterate, points, ramp
from schemas.schedules import InverseTime
from schemas.specs import Lowered, Spec

Function = str | list[str]


class TorchSWALR(FromOptimizer):
    """From the rate at which it begins to `swa_lr`, which then holds, while weights are averaged."""

    kind: Literal["torch.SWALR"]
    swa_lr: PerGroup
    """Last rate, held; one per parameter group with `group`."""
    anneal_epochs: Step = 10
    """Steps of the way there; with 0 the rate is `swa_lr` at once."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """Shape of the way."""

    formula = "swa_lr*a + base_lr*(1 - a), a = p or (1 - cos(pi*p))/2, p = min(1, t/anneal_epochs)"
    source = "torch.optim.swa_utils.SWALR, PyTorch 2.13.0; arXiv:1803.05407"
    aliases = ("swa", "stochastic weight averaging")
    example = {"swa_lr": 0.05, "anneal_epochs": 20, "base_lr": 0.1}
    lasts = True

    def lower(self) -> Spec:
        goal = float(of_group(self.swa_lr, self.group, "swa_lr"))
        return ramp(self.rate(), goal, self.anneal_epochs, "cosine" if self.anneal_strategy == "cos" else "linear")


class TorchLambdaLR(TorchScheduler):
    """The rate times a function of the step."""

    kind: Literal["torch.LambdaLR"]
    lr_lambda: Function
    """The factor as a formula of `epoch` (the step), or a whole `lambda`; one per parameter group with `group`."""

    formula = "base_lr * lr_lambda(t)"
    aliases = ("lambda", "custom")
    example = {"lr_lambda": "0.95 ** epoch", "base_lr": 0.1}

    def lower(self) -> Spec:
        return formula(self.update("", "step"))

    def update(self, value: str, step: str) -> str:
        factor = of_step(of_group(self.lr_lambda, self.group, "lr_lambda"), step)
        return f"{number(self.rate())} * ({factor})"


class TorchMultiplicativeLR(Recursive):
    """The rate before times a function of the step, from step 1 on.

    A function is worked out up to step 1,000,000, and the rate held beyond; a plain number is an exponential, for ever.
    """

    kind: Literal["torch.MultiplicativeLR"]
    lr_lambda: Function
    """The factor as a formula of `epoch` (the step), or a whole `lambda`; one per parameter group with `group`."""

    formula = "base_lr * lr_lambda(1) * ... * lr_lambda(t)"
    aliases = ("multiplicative", "recurrence")
    example = {"lr_lambda": "0.95", "base_lr": 0.1}

    def closed(self) -> Spec:
        try:
            return exponential(self.rate(), float(of_step(of_group(self.lr_lambda, self.group, "lr_lambda"))))
        except ValueError:
            return self.recurrence(self.rate())

    def update(self, value: str, step: str) -> str:
        return f"{value} * ({of_step(of_group(self.lr_lambda, self.group, 'lr_lambda'), step)})"

    def restart(self, value: str) -> str:
        return self.update(value, "0")

    def continued(self) -> Spec:
        """The factors lr_lambda(0) * ... * lr_lambda(t): it has no closed form to begin with at a milestone."""
        return clock(iterate(1.0, self.update("value", "(step - 1)"), LIMIT), 1.0)


class TorchStepLR(Recursive):
    """Multiplied by `gamma` every `step_size` steps."""

    kind: Literal["torch.StepLR"]
    step_size: Count
    """Steps between two decays."""
    gamma: float = 0.1
    """Factor of a decay."""

    formula = "base_lr * gamma^floor(t/step_size)"
    aliases = ("step decay", "staircase")
    example = {"step_size": 30, "gamma": 0.1, "base_lr": 0.1}

    def closed(self) -> Spec:
        return exponential(self.rate(), self.gamma, self.step_size, staircase=True)

    def update(self, value: str, step: str) -> str:
        return f"{value} * where({step} % {self.step_size} == 0, {number(self.gamma)}, 1)"

    def again(self, value: str) -> str:
        return value


class TorchMultiStepLR(Recursive):
    """Multiplied by `gamma` at each milestone; a milestone given twice counts twice."""

    kind: Literal["torch.MultiStepLR"]
    milestones: Annotated[list[Step], Field(max_length=5000)]
    """Steps of the decays, in any order; 0 decays from the start."""
    gamma: float = 0.1
    """Factor of a decay."""

    formula = "base_lr * gamma^(number of milestones <= t)"
    aliases = ("milestones", "piecewise")
    example = {"milestones": [30, 80], "gamma": 0.1, "base_lr": 0.1}

    def closed(self) -> Spec:
        rate, milestones = self.rate(), sorted(self.milestones)
        return points((0, rate), *((at, rate * self.gamma**count) for count, at in enumerate(milestones, 1)))

    def gain(self) -> float:
        return float(self.gamma ** self.milestones.count(0))

    def update(self, value: str, step: str) -> str:
        decays = " + ".join(f"({step} == {at})" for at in self.milestones) or "0"
        return f"{value} * {number(self.gamma)} ** ({decays})"


class TorchConstantLR(Recursive):
    """A fraction of the rate for a number of steps, the whole rate from there on."""

    kind: Literal["torch.ConstantLR"]
    factor: Share = 1.0 / 3
    """The fraction."""
    total_iters: Step = 5
    """Steps until the whole rate. With 0, torch's forms disagree: the recursive one stays at the fraction for ever."""

    formula = "base_lr * factor for t < total_iters, then base_lr"
    aliases = ("warmup", "constant factor")
    example = {"factor": 0.5, "total_iters": 10, "base_lr": 0.1}

    def closed(self) -> Spec:
        return points((0, self.rate() * self.factor), (self.total_iters, self.rate()))

    def gain(self) -> float:
        return self.factor

    def update(self, value: str, step: str) -> str:
        if self.total_iters == 0:
            return value
        return f"{value} * where({step} == {self.total_iters}, 1 / {number(self.factor)}, 1)"

    def again(self, value: str) -> str:
        return self.first(value)

    def restart(self, value: str) -> str:
        return number(self.rate() * (self.factor if self.total_iters else 1.0))


class TorchLinearLR(Recursive):
    """From one fraction of the rate to another in a straight line, then held."""

    kind: Literal["torch.LinearLR"]
    start_factor: Annotated[float, Field(gt=0, le=1)] = 1.0 / 3
    """First fraction of the rate."""
    end_factor: Share = 1.0
    """Last fraction of the rate."""
    total_iters: Step = 5
    """Steps from the first to the last. With 0, torch's closed form divides by 0; the recursive one never starts."""

    formula = "base_lr * (start_factor + (end_factor - start_factor) * min(t, total_iters)/total_iters)"
    aliases = ("linear warmup", "warmup")
    example = {"start_factor": 0.1, "total_iters": 10, "base_lr": 0.1}

    def closed(self) -> Spec:
        refuse_zero(self.total_iters)
        return ramp(self.rate() * self.start_factor, self.rate() * self.end_factor, self.total_iters)

    def gain(self) -> float:
        return self.start_factor

    def update(self, value: str, step: str) -> str:
        slope, length = number(self.end_factor - self.start_factor), self.total_iters
        grown = f"1 + {slope} / ({length * self.start_factor!r} + ({step} - 1) * {slope})"
        return f"{value} * where({step} > {length}, 1, {grown})" if length else value

    def again(self, value: str) -> str:
        return self.first(value)


class TorchExponentialLR(Recursive):
    """Multiplied by `gamma` every step."""

    kind: Literal["torch.ExponentialLR"]
    gamma: float
    """Factor per step."""

    formula = "base_lr * gamma^t"
    aliases = ("exponential decay",)
    example = {"gamma": 0.95, "base_lr": 0.1}

    def closed(self) -> Spec:
        return exponential(self.rate(), self.gamma)

    def update(self, value: str, step: str) -> str:
        return f"{value} * {number(self.gamma)}"


class TorchPolynomialLR(Recursive):
    """Down to 0 as a power of what is left of the steps, then 0."""

    kind: Literal["torch.PolynomialLR"]
    total_iters: Step = 5
    """Steps until 0. With 0, torch's closed form divides by 0; the recursive one never starts."""
    power: float = 1.0
    """The power; 1 is a straight line."""

    formula = "base_lr * (1 - min(t, total_iters)/total_iters)^power"
    aliases = ("poly", "polynomial decay")
    example = {"total_iters": 100, "power": 2.0, "base_lr": 0.1}

    def closed(self) -> Spec:
        refuse_zero(self.total_iters)
        if self.power > 0:
            return ramp(self.rate(), 0.0, self.total_iters, "polynomial", power=self.power)
        left = f"(1 - min(step, {self.total_iters}) / {self.total_iters})"
        return formula(f"{number(self.rate())} * {left} ** {number(self.power)}")

    def update(self, value: str, step: str) -> str:
        if not self.total_iters:
            return value
        ratio = f"(1 - {step} / {self.total_iters}) / (1 - ({step} - 1) / {self.total_iters})"
        return f"{value} * where({step} > {self.total_iters}, 1, ({ratio}) ** {number(self.power)})"


class TorchCosineAnnealingLR(Recursive):
    """Half a cosine down in `T_max` steps, up again in as many, and so on: there is no end."""

    kind: Literal["torch.CosineAnnealingLR"]
    T_max: Count
    """Steps from the rate to `eta_min`."""
    eta_min: float = 0.0
    """Lowest rate."""

    formula = "eta_min + (base_lr - eta_min) * (1 + cos(pi*t/T_max))/2"
    source = f"{SOURCE}; Loshchilov and Hutter 2017, arXiv:1608.03983"
    aliases = ("cosine", "cosine annealing")
    example = {"T_max": 100, "base_lr": 0.1}

    def closed(self) -> Spec:
        return ramp(self.rate(), self.eta_min, self.T_max, "cosine", past="continue")

    def update(self, value: str, step: str) -> str:
        low, length = number(self.eta_min), self.T_max
        rises = f"({step} - 1 - {length}) % {2 * length} == 0"
        rise = f"{number(self.rate() - self.eta_min)} * (1 - cos(pi / {length})) / 2"
        ratio = f"(1 + cos(pi * {step} / {length})) / (1 + cos(pi * ({step} - 1) / {length}))"
        return f"where({rises}, 1, {ratio}) * ({value} - where({rises}, 0, {low})) + where({rises}, {rise}, {low})"


class TorchAdagradLrDecay(Lowered):
    """The decay that is built into Adagrad: 1/t. The division by the root of squared gradients is the optimizer's."""

    kind: Literal["torch.Adagrad.lr_decay"]
    lr: NotNegative = 0.01
    """The rate of the first update."""
    lr_decay: NotNegative = 0.0
    """Growth of the denominator per step."""

    formula = "lr/(1 + t*lr_decay)"
    source = "torch.optim.Adagrad, PyTorch 2.13.0; Duchi et al. 2011"
    aliases = ("adagrad", "1/t")
    example = {"lr": 0.1, "lr_decay": 0.01}

    def lower(self) -> Spec:
        return InverseTime(kind="inverse_time", start=self.lr, rate=self.lr_decay)


def refuse_zero(total_iters: int) -> None:
    """Refuse a closed form that divides by `total_iters`."""
    if total_iters == 0:
        raise ValueError("`total_iters` 0 makes torch's closed form divide by 0; write 1 or more, or `form` recursive.")
