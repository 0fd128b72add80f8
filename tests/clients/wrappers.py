"""Optimizers around others, as people use them: what they hand on, and where PyTorch's hooks run."""

from collections import OrderedDict
from typing import Any

import torch


class Unhooked(torch.optim.Optimizer):
    """Without the constructor of its class, so PyTorch takes hooks and runs none of them."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups, self.defaults, self.state = groups, {}, {}  # type: ignore[assignment]
        self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = OrderedDict(), OrderedDict()


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimization: two halves of an update, of which the second makes the inner optimizer's."""

    def __init__(self, base: torch.optim.Optimizer, rho: float = 0.05) -> None:
        super().__init__(base.param_groups, {"rho": rho})
        self.base_optimizer, self.param_groups = base, base.param_groups

    @torch.no_grad()
    def first_step(self) -> None:
        """Climb to where the loss is worst nearby."""
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            self.state[weight]["climb"] = climb = weight.grad * self.defaults["rho"] / (weight.grad.norm() + 1e-12)
            weight.add_(climb)

    @torch.no_grad()
    def second_step(self) -> None:
        """Go back, and update with the gradients found there."""
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            weight.sub_(self.state[weight]["climb"])
        self.base_optimizer.step()


class Lookahead(Unhooked):
    """As timm's."""

    def __init__(self, base: torch.optim.Optimizer, every: int = 5) -> None:
        super().__init__(base.param_groups)
        self._base_optimizer = base
        self._every, self._made = every, 0
        self._slow = [weight.detach().clone() for group in base.param_groups for weight in group["params"]]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """An update of the inner optimizer; every so many, the slow weights follow and are taken over."""
        loss = self._base_optimizer.step(closure)
        self._made += 1
        if self._made % self._every == 0:
            weights = (weight for group in self.param_groups for weight in group["params"])
            for slow, weight in zip(self._slow, weights, strict=True):
                weight.copy_(slow.lerp_(weight, 0.5))
        return loss


class Alone(Unhooked):
    """Updates by itself."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(group["lr"] * weight.grad)


class Kept(Alone):
    """The same, with an optimizer in it that never makes an update."""

    def __init__(self, kept: torch.optim.Optimizer) -> None:
        super().__init__(kept.param_groups)
        self.kept = kept
