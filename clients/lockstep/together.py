"""`Together`: several optimizers that one scheduler follows as if they were one."""

from collections.abc import Callable, Mapping, Sequence
from operator import is_
from typing import Any

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("Lockstep's adapters for PyTorch need it: pip install torch") from error

from torch.utils.hooks import RemovableHandle

from lockstep.errors import Misused
from lockstep.hooks import innermost
from lockstep.slots import own_names

Optimizers = torch.optim.Optimizer | Mapping[str, torch.optim.Optimizer] | Sequence[torch.optim.Optimizer]


class Together(torch.optim.Optimizer):
    """The parameter groups of several optimizers, by name, one after another, and an update of all of them.

    The names of a sequence are its indices. Raises `Misused` where there is none, or one is no optimizer.
    """

    def __init__(self, optimizers: Mapping[str, torch.optim.Optimizer] | Sequence[torch.optim.Optimizer]) -> None:
        if not isinstance(optimizers, Mapping | Sequence):
            raise Misused(f"Lockstep needs a torch.optim.Optimizer, not {type(optimizers).__name__}.")
        pairs = optimizers.items() if isinstance(optimizers, Mapping) else enumerate(optimizers)
        self.optimizers = {str(name): optimizer for name, optimizer in pairs}
        if not self.optimizers:
            raise Misused("There is no optimizer to follow the run.")
        for name, optimizer in self.optimizers.items():
            if not isinstance(optimizer, torch.optim.Optimizer):
                raise Misused(f"Lockstep needs a torch.optim.Optimizer as {name!r}, not {type(optimizer).__name__}.")
        self.defaults = {}
        self._groups: list[dict[str, Any]] = []

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The groups themselves, in one list as long as they are the same."""
        groups = [group for optimizer in self.optimizers.values() for group in optimizer.param_groups]
        if len(groups) != len(self._groups) or not all(map(is_, groups, self._groups)):
            self._groups = groups
        return self._groups

    @property
    def names(self) -> list[tuple[str, ...]]:
        """What a track may call each group, the closest first: `matrix.head`, `matrix.0`, `matrix`."""
        return [
            (*(f"{name}.{own}" for own in own_names(group, index)), name)
            for name, optimizer in self.optimizers.items()
            for index, group in enumerate(optimizer.param_groups)
        ]

    def register_step_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """After an update of the last of them: then all have made theirs."""
        return list(self.optimizers.values())[-1].register_step_post_hook(hook)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """An update of every optimizer; the first calls the closure."""
        first, *others = self.optimizers.values()
        loss = first.step() if closure is None else first.step(closure)
        for optimizer in others:
            optimizer.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none)

    def __getstate__(self) -> dict[str, Any]:
        return {"optimizers": self.optimizers, "defaults": {}, "_groups": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"Together({self.optimizers})"


def parts(optimizer: torch.optim.Optimizer) -> list[torch.optim.Optimizer]:
    """The optimizers that one stands for."""
    return list(optimizer.optimizers.values()) if isinstance(optimizer, Together) else [optimizer]


def makers(optimizer: torch.optim.Optimizer, clock: str | None = None) -> list[torch.optim.Optimizer]:
    """The optimizers that make the updates inside of them; only the one that `clock` names, where it names one.

    Raises `Misused` where there is none of that name.
    """
    if clock is None:
        return [innermost(part) for part in parts(optimizer)]
    named = optimizer.optimizers if isinstance(optimizer, Together) else {}
    if clock not in named:
        raise Misused(f"`clock` is one of {', '.join(named)}; got {clock!r}." if named else "There is only one clock.")
    return [innermost(named[clock])]
