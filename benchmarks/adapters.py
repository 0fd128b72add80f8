"""What a training step pays for its rate: every adapter beside the framework's own scheduler, as ratios.

An update of an optimizer that does nothing is made with our scheduler, with the framework's own and without any, each
driven as the framework drives it; the ratio is (ours - none) / (own - none), so hooks and wrappers count as well. The
three take turns, in seconds of the processor; the best round counts. Two columns, because a look-up costs more where
time has gone by: short steps follow each other at once, at long ones (`VISIT_SECONDS` or more) the clock decides. optax
computes its schedule in the compiled update: there the ratio is that of whole updates.
"""

import importlib.util
import math
import os
import subprocess
import sys
import time
import timeit
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import lockstep.follower
from lockstep.follower import MAX_CHUNK
from lockstep.testing import FakeService

HEADS = ("adapter", "parameter groups", "beside", "short steps", "long steps")
PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "lightning",
    "keras",
    "deepspeed",
    "torchtitan",
    "paddlepaddle",
    "optax",
)
STEPS, ROUNDS = 2 * MAX_CHUNK, 9
LEAD = 10 * STEPS * ROUNDS  # no request while the clock runs
TOTAL = 10**6

Action = Callable[[], object]
Row = tuple[str, str, str, str, str]


class Case(NamedTuple):
    """One row: an update with our scheduler, with the framework's own, and without one."""

    adapter: str
    groups: int
    beside: str
    ours: Action
    own: Action
    none: Action
    steps: int = STEPS


def curve(step: int) -> float:
    """Half a cosine: what the framework's own schedulers compute here."""
    return 0.05 * (1 + math.cos(math.pi * step / TOTAL))


def job(**service: Any) -> dict[str, Any]:
    """Arguments of an adapter that follows a run of a service in this process."""
    return {"run": "bench", "plan": {"tracks": {}}, "transport": FakeService(curve, lead=LEAD, **service).transport}


def nothing() -> None:
    """In the place of a scheduler's step."""


def still(groups: int, rate: float | Callable[[int], float] = 0.1) -> Any:
    """An optimizer of torch whose update is nothing but its hooks, so that what is around it shows."""
    import torch

    class Still(torch.optim.Optimizer):
        def step(self, closure: Any = None) -> Any:
            for hook in (*self._optimizer_step_pre_hooks.values(), *self._optimizer_step_post_hooks.values()):
                hook(self, (), {})

        step.hooked = True  # type: ignore[attr-defined]  # torch's own loop over the hooks also talks to its profiler

    rates = [rate(index) if callable(rate) else rate for index in range(groups)]
    params = [{"params": [torch.nn.Parameter(torch.zeros(1))], "name": str(i), "lr": r} for i, r in enumerate(rates)]
    return Still(params, {})


def updates(optimizer: Any, step: Action) -> Action:
    """The optimizer's update and then the scheduler's, as every loop has them."""
    return lambda: optimizer.step() or step()


def layer(index: int) -> float:
    """The base rate of a layer."""
    return float(0.1 * 0.95**index)


def torch() -> Iterator[Case]:
    """`LockstepLR` beside torch's schedulers."""
    from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

    from lockstep.torch import LockstepLR

    layers = {f"{index}/lr": ("lr", 0.95**index) for index in range(200)}
    for name, groups, derived in (("torch", 1, {}), ("torch", 50, {}), ("torch, layer-wise", 200, layers)):
        mine = still(groups)
        ours = updates(mine, LockstepLR(mine, **job(derived=derived)).step)
        for beside, build in (
            ("CosineAnnealingLR", lambda optimizer: CosineAnnealingLR(optimizer, TOTAL)),
            ("LambdaLR", lambda optimizer: LambdaLR(optimizer, curve)),
        ):
            other = still(groups, layer if derived else 0.1)
            yield Case(name, groups, beside, ours, updates(other, build(other).step), updates(still(groups), nothing))


def transformers() -> Iterator[Case]:
    """A Trainer with `follow` beside one with its cosine: the callbacks' events, the rate it notes, the scheduler."""
    import torch as pytorch
    from transformers import Trainer, TrainingArguments

    from lockstep.transformers import follow

    arguments = TrainingArguments(
        "unused", report_to=[], use_cpu=True, disable_tqdm=True, lr_scheduler_type="cosine", warmup_steps=10
    )

    def trainer(groups: int) -> Any:
        made = Trainer(pytorch.nn.Linear(1, 1), arguments, optimizers=(still(groups), None))
        made.callback_handler.callbacks.clear()  # the Trainer's own, the same on all sides
        return made

    def update(made: Any, scheduled: bool = True) -> Action:
        events, control, state, args = made.callback_handler, made.control, made.state, made.args
        optimizer = made.optimizer
        events.lr_scheduler = scheduler = made.create_scheduler(TOTAL) if scheduled else None

        def act() -> None:  # the Trainer's order
            events.on_step_begin(args, state, control)
            events.on_pre_optimizer_step(args, state, control)
            optimizer.step()
            events.on_optimizer_step(args, state, control)
            if scheduler is not None:
                made._get_learning_rate()
                scheduler.step()
            events.on_step_end(args, state, control)

        return act

    for groups in (2, 50):
        mine = trainer(groups)
        follow(mine, **job())
        own, none = update(trainer(groups)), update(trainer(groups), scheduled=False)
        yield Case("transformers", groups, "get_cosine_schedule_with_warmup", update(mine), own, none)


def accelerate() -> Iterator[Case]:
    """Prepared schedulers."""
    from accelerate import Accelerator
    from torch.optim.lr_scheduler import CosineAnnealingLR

    from lockstep.accelerate import LockstepLR

    accelerator = Accelerator(cpu=True)

    def update(groups: int, build: Callable[[Any], Any] | None) -> Action:
        optimizer = still(groups)
        prepared = accelerator.prepare(optimizer)  # looks for a package at every update: not called here
        return updates(optimizer, accelerator.prepare(build(prepared)).step if build else nothing)

    for groups in (1, 50):
        ours = update(groups, lambda optimizer: LockstepLR(optimizer, **job()))
        own = update(groups, lambda optimizer: CosineAnnealingLR(optimizer.optimizer, TOTAL))
        yield Case("accelerate", groups, "prepared CosineAnnealingLR", ours, own, update(groups, None))


def lightning() -> Iterator[Case]:
    """Through the module's hook that steps a scheduler."""
    from lightning.pytorch import LightningModule
    from torch.optim.lr_scheduler import CosineAnnealingLR

    from lockstep.lightning import configure

    hook = LightningModule().lr_scheduler_step

    def update(optimizer: Any, scheduler: Any) -> Action:
        return updates(optimizer, lambda: hook(scheduler, None))

    for groups in (1, 50):
        mine, other, bare = still(groups), still(groups), still(groups)
        ours = update(mine, configure(mine, **job())["lr_scheduler"]["scheduler"])
        own = update(other, CosineAnnealingLR(other, TOTAL))
        yield Case("lightning", groups, "CosineAnnealingLR", ours, own, updates(bare, nothing))


def deepspeed() -> Iterator[Case]:
    """The callable form on an optimizer, stepped as the engine does it."""
    from deepspeed.runtime.lr_schedules import WarmupCosineLR

    from lockstep.deepspeed import scheduler

    for groups in (1, 50):
        mine, other, bare = still(groups), still(groups), still(groups)
        ours, own = scheduler(**job())(mine), WarmupCosineLR(other, TOTAL, warmup_num_steps=10)
        none = updates(bare, nothing)
        yield Case("deepspeed", groups, "WarmupCosineLR", updates(mine, ours.step), updates(other, own.step), none)


def torchtitan() -> Iterator[Case]:
    """The factor beside torchtitan's own, in its container."""
    from torchtitan.components.optimizer.lr_scheduler import LRSchedulersContainer

    from lockstep.torchtitan import Factor

    config = LRSchedulersContainer.Config(warmup_steps=10, decay_type="cosine")
    for groups in (1, 50):
        mine, other, bare = still(groups, 1.0), still(groups, 1.0), still(groups)
        ours = LRSchedulersContainer([mine], Factor(mine, **job()))
        own = config.build(optimizers=[other], training_steps=TOTAL)
        none = updates(bare, nothing)
        yield Case("torchtitan", groups, "its cosine", updates(mine, ours.step), updates(other, own.step), none)


def keras() -> Iterator[Case]:
    """The callback beside a schedule in the optimizer, and beside Keras's own callback used at every batch."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    from lockstep.keras import LockstepCallback

    class EveryBatch(keras.callbacks.LearningRateScheduler):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._update_optimizer_lr(self.model.optimizer, batch)

    def update(rate: Any, *callbacks: Any) -> Action:
        model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(rate)
        model.compile(optimizer, loss="mse")
        optimizer.build(model.trainable_variables)
        events = keras.callbacks.CallbackList(list(callbacks), model=model)
        events.on_train_begin()
        batches = iter(range(TOTAL))

        def act() -> None:
            events.on_train_batch_begin(next(batches))
            optimizer._get_current_learning_rate()
            optimizer.iterations.assign_add(1)

        return act

    ours, none = update(0.1, LockstepCallback(**job())), update(0.1)
    schedule = keras.optimizers.schedules.CosineDecay(0.1, TOTAL)
    callback = EveryBatch(lambda batch, rate: curve(batch))
    name = f"keras, {keras.backend.backend()}"
    yield Case(name, 1, "CosineDecay in the optimizer", ours, update(schedule), none, STEPS // 8)
    yield Case(name, 1, "LearningRateScheduler at every batch", ours, update(0.1, callback), none, STEPS // 8)


def paddle() -> Iterator[Case]:
    """What Paddle's optimizers call: the rate, and `step`."""
    from paddle.optimizer.lr import CosineAnnealingDecay

    from lockstep.paddle import LockstepLR

    def update(scheduler: Any) -> Action:
        return lambda: scheduler() and scheduler.step()

    ours, own = update(LockstepLR(**job())), update(CosineAnnealingDecay(0.1, TOTAL))
    yield Case("paddle", 1, "CosineAnnealingDecay", ours, own, nothing)


def optax() -> Iterator[Case]:
    """Whole updates, compiled: with the values put into the state, and with a schedule in the update."""
    import jax
    import jax.numpy as jnp
    import optax

    from lockstep.optax import LockstepRates

    params = jnp.zeros(8)

    def update(rate: Any, put: Callable[[Any], Any]) -> Action:
        optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=rate)
        state = optimizer.init(params)
        compiled = jax.jit(lambda state: optimizer.update(params, state, params)[1])

        def act() -> None:
            nonlocal state
            state = compiled(put(state))

        return act

    steps = iter(range(TOTAL))
    schedule, counting = LockstepRates(**job()), LockstepRates(**job())
    own = update(optax.cosine_decay_schedule(0.1, TOTAL), lambda state: state)
    for name, put in (("optax", schedule.put), ("optax, step given", lambda state: counting.put(state, next(steps)))):
        yield Case(name, 1, "cosine_decay_schedule", update(0.1, put), own, nothing, STEPS // 8)


FRAMEWORKS: dict[str, Callable[[], Iterator[Case]]] = {
    each.__name__: each
    for each in (torch, transformers, accelerate, lightning, keras, deepspeed, torchtitan, paddle, optax)
}


def ratio(case: Case, visit_seconds: float) -> float:
    """(ours - none) / (own - none), where a visit is due whenever so many seconds have gone by."""
    before, lockstep.follower.VISIT_SECONDS = lockstep.follower.VISIT_SECONDS, visit_seconds
    actions = (case.ours, case.own, case.none)

    def seconds(action: Action) -> float:
        return timeit.timeit(action, timer=time.process_time, number=case.steps)

    try:
        timeit.timeit(case.ours, number=STEPS)  # joins the run; the pace is known then
        rounds = [[seconds(action) for action in actions] for _ in range(ROUNDS)]
    finally:
        lockstep.follower.VISIT_SECONDS = before
    ours, own, none = map(min, zip(*rounds, strict=True))
    return float((ours - none) / (own - none))


def measure(framework: str) -> Iterator[Row]:
    """The rows of one framework, in this process."""
    warnings.simplefilter("ignore")  # theirs
    for case in FRAMEWORKS[framework]():
        short, long = ratio(case, lockstep.follower.VISIT_SECONDS), ratio(case, 0.0)
        yield case.adapter, str(case.groups), case.beside, f"{short:.2f}", f"{long:.2f}"


def rows() -> Iterator[Row]:
    """The rows of all frameworks that are installed; they disturb each other, so each has a process of its own."""
    for framework in filter(importlib.util.find_spec, FRAMEWORKS):
        script = (
            f"from benchmarks.adapters import measure; [print('row', *row, sep='|') for row in measure({framework!r})]"
        )
        done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
        lines = [
            line.split("|") for line in done.stdout.splitlines() if line.startswith("row|")
        ]  # some say hello there
        for _, adapter, groups, beside, short, long in lines:
            yield adapter, groups, beside, short, long
