"""torchtitan, and whatever else takes a factor for `LambdaLR`: `Factor`, a function of the step."""

from collections.abc import Iterable, Iterator
from typing import Any, Unpack

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.torchtitan needs PyTorch: pip install torch") from error

from lockstep.adapter import Adapter
from lockstep.beginning import Options
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.report import Record
from lockstep.torch import among


class Factor:
    """The rates of a run as the factor of a `LambdaLR`: `factor(step)` is the rate where the optimizer's own is 1.0.

        LRSchedulersContainer(optimizers, Factor(optimizers, "my-run", plan, url="http://lockstep:8000"))

    Set the optimizer's rate to 1.0 in the config: any other base would round the product. A group with another base
    keeps its ratio to the run's rate. torchtitan saves only the step, so a job resumes from the service, or from
    `cache_dir`. With several ranks each fetches for itself, and the default `policy` is `wait`. `options` are those of
    `lockstep.beginning.Options`.

    Raises `Misused` where no group has the rate 1.0, and what a `Follower` raises.
    """

    def __init__(
        self,
        optimizers: torch.optim.Optimizer | Iterable[torch.optim.Optimizer],
        run: str | None = None,
        plan: Document | None = None,
        **options: Unpack[Options],
    ) -> None:
        several = [optimizers] if isinstance(optimizers, torch.optim.Optimizer) else list(optimizers)
        self._optimizer, self._index = _reference(several)
        rank, ranks = among()
        self._adapter = Adapter(run, plan, first="rate that is asked for", rank=rank, ranks=ranks, **options)
        self._step = -1
        self._value = 0.0
        self._ahead: Iterator[float] = iter(())  # the rates after this one, up to the follower's next visit
        self._record: Record  # where this worker is, for the background thread

    def __call__(self, step: int) -> float:
        """The rate of update `step`. A jump, as after loading a checkpoint, joins the run again at that step."""
        if step == self._step:
            return self._value
        if self._adapter.joined and step == self._step + 1:
            found = self._optimizer.param_groups[self._index]["lr"]
            if type(found) is not float or found != self._value:
                self._compare(found)
            for value in self._ahead:
                self._step = self._record.step = step
                self._value = value
                return value
        else:
            self._record = self._adapter.join(step).record
        reading, self._ahead = self._adapter.follower.ahead(step)
        self._step, self._value = step, reading.value
        return self._value

    def reading(self) -> Reading:
        """The value in use, where it comes from, and its revision."""
        return self._adapter.reading(self._step)

    def close(self) -> None:
        """Report the values used so far and end the background thread. Runs at exit by itself."""
        self._adapter.close()

    def _compare(self, found: Any) -> None:
        """Note where the last update used something else than the rate handed out."""
        expected = float(found.new_tensor(self._value)) if isinstance(found, torch.Tensor) else self._value
        if (used := float(found)) != expected:
            self._adapter.differs(self._step, "lr", used)


def _reference(optimizers: list[torch.optim.Optimizer]) -> tuple[torch.optim.Optimizer, int]:
    """The first parameter group with the base rate 1.0."""
    bases = []
    for optimizer in optimizers:
        for index, group in enumerate(optimizer.param_groups):
            bases.append(base := float(group.get("initial_lr", group["lr"])))
            if base == 1.0:
                return optimizer, index
    raise Misused(f"Set the optimizer's rate to 1.0: the run's rates multiply it, and here it is {bases}.")
