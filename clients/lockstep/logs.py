"""Truth in logs: the rate that an update used, and the revision it came from, wherever you log. Knows no framework.

    log = Log(tensorboard(writer), progress(total_steps=1000), every=10)
    watch(scheduler, log)           # PyTorch: after every update of the optimizer, with the rates that stand in it
    log(step, follower.value(step))  # any other loop

A sink is any function of a step and a dictionary of numbers.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.slots import own_names
from lockstep.window import COMMITTED

Sink = Callable[[int, dict[str, float]], None]


class Log:
    """Sends `lockstep/lr`, `lockstep/revision` and `lockstep/committed` (1, or 0 in an outage) to the sinks.

    It does so `every` so many steps, and where the revision or the reason changes: no switch is missed.
    """

    def __init__(self, *sinks: Sink, every: int = 1) -> None:
        if every < 1:
            raise Misused(f"`every` counts steps, from 1 on; got {every}.")
        self._sinks, self._every = sinks, every
        self._last: tuple[str, int] | None = None

    def __call__(self, step: int, reading: Reading, rates: Mapping[str, float] | None = None) -> None:
        """Log one step. `rates` are rates by name, such as those of parameter groups, in place of the reading's."""
        source = (reading.reason, reading.revision)
        if step % self._every and source == self._last:
            return
        self._last = source
        rates = {"lr": reading.value} if rates is None else rates
        entry = {f"lockstep/{name}": rate for name, rate in rates.items()}
        entry["lockstep/revision"] = reading.revision
        entry["lockstep/committed"] = float(reading.reason == COMMITTED)
        for sink in self._sinks:
            sink(step, entry)


class Scheduler(Protocol):
    """What `watch` needs of a scheduler: `lockstep.torch.LockstepLR` has it."""

    optimizer: Any
    last_epoch: int

    def reading(self, track: str = "lr") -> Reading: ...


class Handle(Protocol):
    """Takes a hook away again."""

    def remove(self) -> None: ...


def watch(scheduler: Scheduler, log: Log, track: str = "lr") -> Handle:
    """Log every update of a PyTorch optimizer that follows a run, with the rates that it really used.

    One rate as `lockstep/lr`; where the groups differ, one for each as `lockstep/lr/<name or index>`. `track` is one
    that the run has: the revision is the same for all.
    """

    followed = scheduler.optimizer

    def made(*_: Any) -> None:
        own = [own_names(group, index) for index, group in enumerate(followed.param_groups)]
        names = getattr(followed, "names", own)
        groups = {closest: float(g["lr"]) for (closest, *_), g in zip(names, followed.param_groups, strict=True)}
        if len(set(groups.values())) == 1:
            rates = {"lr": next(iter(groups.values()))}
        else:
            rates = {f"lr/{name}": rate for name, rate in groups.items()}
        log(scheduler.last_epoch, scheduler.reading(track), rates)

    handle: Handle = followed.register_step_post_hook(made)
    return handle


def tensorboard(writer: Any) -> Sink:
    """To a `SummaryWriter`, of PyTorch or of tensorboardX."""

    def sink(step: int, entry: dict[str, float]) -> None:
        for name, number in entry.items():
            writer.add_scalar(name, number, step)

    return sink


def wandb(run: Any) -> Sink:
    """To a run of Weights & Biases, over an axis of its own: the steps of your other logs stay as they are."""
    run.define_metric("lockstep/*", step_metric="lockstep/step")

    def sink(step: int, entry: dict[str, float]) -> None:
        run.log({**entry, "lockstep/step": step})

    return sink


def mlflow(module: Any) -> Sink:
    """To the active run of MLflow: pass the module `mlflow` itself."""

    def sink(step: int, entry: dict[str, float]) -> None:
        module.log_metrics(entry, step=step)

    return sink


def progress(total_steps: int | None = None, stream: TextIO | None = None) -> Sink:
    """A line to look at, rewritten in a terminal, one below the other in a file. Default: standard error."""
    out = stream or sys.stderr

    def sink(step: int, entry: dict[str, float]) -> None:
        rates = "  ".join(f"{name.removeprefix('lockstep/')} {entry[name]:.6g}" for name in entry if "/lr" in name)
        away = "" if entry["lockstep/committed"] else "  (the service is away)"
        of = "" if total_steps is None else f"/{total_steps}"
        line = f"step {step}{of}  {rates}  revision {entry['lockstep/revision']:.0f}{away}"
        out.write(f"\r\x1b[K{line}" if out.isatty() else f"{line}\n")
        out.flush()

    return sink
