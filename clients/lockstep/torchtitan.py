"""torchtitan, and whatever else takes a factor for `LambdaLR`: `Factor`, a function of the step."""

from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import Unpack

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.torchtitan needs PyTorch: pip install torch") from error

from lockstep.adapter import Adapter
from lockstep.beginning import Options
from lockstep.client import Document
from lockstep.clock import Clock
from lockstep.collectives import among
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.hooks import count_into, hooked, innermost
from lockstep.report import UNCOUNTED


class Factor:
    """The rates of a run as the factor of a `LambdaLR`: `factor(step)` is the rate where the optimizer's own is 1.0.

        LRSchedulersContainer(optimizers, Factor(optimizers, "my-run", plan, url="http://lockstep:8000"))

    Set the optimizer's rate to 1.0 in the config: any other base would round the product. A group with another base
    keeps its ratio to the run's rate. The groups of all optimizers are compared with what they should hold, and their
    updates are counted. torchtitan saves only the step, so a job resumes from the service, or from `cache_dir`. With
    several ranks each fetches for itself, and the default `policy` is `wait`. `options` are those of
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
        self._groups = _with_bases(several)
        rank, ranks = among()
        self._adapter = Adapter(run, plan, first="rate that is asked for", rank=rank, ranks=ranks, **options)
        self._step = -1
        self._value = 0.0
        self._ahead: Iterator[float] = iter(())  # the rates after this one, up to the follower's next visit
        makers = [innermost(optimizer) for optimizer in several]
        self._clock, self._counted = Clock(optimizers=len(makers)), all(map(hooked, makers))
        if self._counted:
            count_into(self._clock, makers, self._adapter, self)
        else:
            self._clock.ignore()

    def __call__(self, step: int) -> float:
        """The rate of update `step`. A jump, as after loading a checkpoint, joins the run again at that step."""
        if step == self._step:
            return self._value
        if self._adapter.joined and step == self._step + 1:
            self._compare()
            self._count()
            for value in self._ahead:
                self._step, self._value = step, value
                return value
        else:
            self._adapter.forget()
            self._clock.go_to(step)
            record = self._adapter.join(step).record
            record.counter = self._clock
            if not self._counted:
                record.mark(step, UNCOUNTED)
        reading, self._ahead = self._adapter.follower.ahead(step)
        self._clock.place = step + 1 + length_hint(self._ahead), self._ahead
        self._step, self._value = step, reading.value
        return self._value

    def reading(self) -> Reading:
        """The value in use, where it comes from, and its revision."""
        return self._adapter.reading(self._step)

    def close(self) -> None:
        """Report the values used so far and end the background thread. Runs at exit by itself."""
        self._adapter.close()

    def _count(self) -> None:
        """Note it where the updates since the last step are not one of each optimizer."""
        clock = self._clock
        if clock.made != clock.due:
            clock.parted(self._adapter.follower.record, self._adapter.run)
        clock.made = 0

    def _compare(self) -> None:
        """Note where the last update used something else than the base times the rate handed out."""
        for optimizer, index, base in self._groups:
            held, expected = optimizer.param_groups[index]["lr"], base * self._value
            if isinstance(held, torch.Tensor):
                expected = float(held.new_tensor(expected))
            if (found := float(held)) != expected:
                self._adapter.differs(self._step, "lr", found / base if base else found)


def _with_bases(optimizers: list[torch.optim.Optimizer]) -> list[tuple[torch.optim.Optimizer, int, float]]:
    """The parameter groups, by optimizer and index, with their base rates, of which one has to be 1.0."""
    groups = [
        (optimizer, index, float(group.get("initial_lr", group["lr"])))
        for optimizer in optimizers
        for index, group in enumerate(optimizer.param_groups)
    ]
    bases = [base for *_, base in groups]
    if 1.0 not in bases:
        raise Misused(f"Set the optimizer's rate to 1.0: the run's rates multiply it, and here it is {bases}.")
    return groups
