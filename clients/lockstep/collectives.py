"""PyTorch's process group, as the ranks of a job use it for what has to be the same at all of them."""

from collections.abc import Callable
from typing import Any

try:
    import torch.distributed as dist
except ImportError as error:  # pragma: no cover
    raise ImportError("Lockstep's adapters for PyTorch need it: pip install torch") from error

from lockstep.beginning import Beginning
from lockstep.errors import LockstepError
from lockstep.group import Group


class Collectives:
    """A `lockstep.group.Channel` over a gloo group of its own: it never waits for a GPU."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self._group = dist.new_group(backend="gloo")

    def broadcast(self, message: Any) -> Any:
        """Rank 0's message, at every rank."""
        box = [message]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def gather(self, message: Any) -> list[Any] | None:
        """Every rank's message at rank 0, in order of rank; None elsewhere."""
        box = [None] * dist.get_world_size() if self.rank == 0 else None
        dist.gather_object(message, box, dst=0, group=self._group)
        return box

    def together(self, act: Callable[[], Any]) -> Any:
        """What rank 0 gets from `act`, at every rank; its error is raised at every rank."""
        result: Any = None
        if self.rank == 0:
            try:
                result = act()
            except LockstepError as error:
                result = error
        result = self.broadcast(result)
        if isinstance(result, LockstepError):
            raise result
        return result

    def group(self, beginning: Beginning) -> Group:
        """Windows that rank 0 fetches for all."""
        feed = None if self.rank else beginning.feed()
        return Group(self, feed, beginning.run, beginning.worker, beginning.client)


def among() -> tuple[int | None, int | None]:
    """Rank and number of ranks, where torch.distributed runs with several."""
    several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return (dist.get_rank(), dist.get_world_size()) if several else (None, None)
