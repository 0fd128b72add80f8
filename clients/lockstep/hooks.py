"""What PyTorch's optimizers tell of their updates: which object makes them, and how many it has made."""

import sys
import weakref
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("Lockstep's adapters for PyTorch need it: pip install torch") from error

from torch.utils.hooks import RemovableHandle

from lockstep.adapter import Adapter
from lockstep.clock import Clock
from lockstep.errors import Misused

UNSEEN = (
    "makes its updates where PyTorch runs no hooks, so nobody can count them: use lockstep.torch.LockstepLR without "
    "`scaler`, and call its step() after every update."
)


def innermost(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer that makes the updates, inside of wrappers such as Accelerate's, SAM or Lookahead.

    Raises `Misused` where there is none.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise Misused(f"Lockstep needs a torch.optim.Optimizer, not {type(optimizer).__name__}.")
    inner = (held for held in vars(optimizer).values() if isinstance(held, torch.optim.Optimizer))
    return innermost(held) if (held := next(inner, None)) is not None else optimizer


def hooked(optimizer: torch.optim.Optimizer) -> bool:
    """Whether PyTorch runs hooks around its updates: not where a wrapper only looks like an optimizer."""
    return bool(getattr(type(optimizer).step, "hooked", False))


def after_updates(optimizer: torch.optim.Optimizer, act: Callable[[], object]) -> RemovableHandle:
    """Do something after every update that the optimizer makes.

    A fused update that a gradient scaler skips from inside is none: to see that, the hook waits for the device.

    Raises `Misused` where PyTorch runs no hooks.
    """
    if not hooked(optimizer):
        raise Misused(f"{type(optimizer).__name__} {UNSEEN}")

    def made(_optimizer: Any, _arguments: Any, keywords: dict[str, Any]) -> None:
        if not keywords or not is_rehearsal(keywords):
            act()

    def fused(optimizer: Any, arguments: Any, keywords: dict[str, Any]) -> None:
        if not getattr(optimizer, "found_inf", False):
            made(optimizer, arguments, keywords)

    inside = getattr(optimizer, "_step_supports_amp_scaling", False)
    return optimizer.register_step_post_hook(fused if inside else made)


def count_into(clock: Clock, makers: Sequence[torch.optim.Optimizer], adapter: Adapter, owner: object) -> None:
    """Count the updates of several optimizers, as long as `owner` lives; one too many for a step is noted at once.

    Raises `Misused` where PyTorch runs no hooks.
    """
    this, beyond = weakref.ref(adapter), (clock.takes or 0) + 1

    def late() -> None:
        if clock.due is not None and (followed := this()) is not None and followed.joined:
            clock.late(followed.follower.record, followed.run)

    def one() -> None:  # what every update pays
        clock.made += 1
        if clock.made == beyond:
            late()

    def several(place: int) -> None:
        if clock.updated(place) == beyond:
            late()

    for place, maker in enumerate(makers):
        counting = after_updates(maker, one if len(makers) == 1 else partial(several, place))
        weakref.finalize(owner, counting.remove).atexit = False


def own_count(optimizers: Sequence[torch.optim.Optimizer]) -> Any:
    """The updates of its life that an optimizer keeps itself, as a number or a tensor; None where none of them does."""
    states = (state for optimizer in optimizers for state in getattr(optimizer, "state", {}).values())
    return next((state["step"] for state in states if "step" in state), None)


def after_groups(optimizer: torch.optim.Optimizer, act: Callable[[], Callable[[], None] | None]) -> None:
    """Do what `act` refers to after every group that is added: PyTorch has no hook there."""
    add = optimizer.add_param_group

    @wraps(add)
    def added(param_group: dict[str, Any]) -> None:
        add(param_group)
        if (follow := act()) is not None:
            follow()

    optimizer.add_param_group = added  # type: ignore[method-assign]


def is_rehearsal(keywords: dict[str, Any]) -> bool:
    """Whether an optimizer's `step(**keywords)` is no update.

    torch.distributed.checkpoint makes one to create the optimizer's state. Its rates are zero for that moment: a rate
    that is written there decays the weights.
    """
    frame = sys._getframe() if keywords.get("closure", keywords) is None else None
    while frame is not None and frame.f_code.co_name != "_init_optim_state":
        frame = frame.f_back
    return frame is not None
