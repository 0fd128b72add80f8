"""A process that trains with some adapters, in every way a training may end, and looks at what it leaves behind.

Arguments: the service's address, the adapters. Each of them follows six runs: with data loaders whose workers are
forked and spawned, and closes; in a function that ends; twice over, as a cell that is run again; without closing; and
with an exception in its loop, the last of which ends the process.
Frameworks are imported where they are used: a spawned worker imports this file.
"""

import gc
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import psutil

UPDATES = 8
PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}

os.environ["KERAS_BACKEND"] = "torch"

Options = dict[str, Any]
Passed = Callable[[int], None]  # told of every update; may raise


class Data:
    """Two examples for each update."""

    def __len__(self) -> int:
        return 2 * UPDATES

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import torch

        return torch.tensor([index % 3, 1.0]), torch.tensor([0.5])


def named(examples: list[tuple[Any, Any]]) -> dict[str, Any]:
    """A batch as transformers wants it. Its own function for that would be imported by every spawned worker."""
    import torch

    return {name: torch.stack(part) for name, part in zip(("x", "labels"), zip(*examples, strict=True), strict=True)}


def loader(method: str | None) -> Any:
    import torch

    return torch.utils.data.DataLoader(
        Data(),  # type: ignore[arg-type]
        batch_size=2,
        num_workers=2 if method else 0,
        multiprocessing_context=method,
    )


def loop(
    make: Callable[[Any], Any], stepped: Callable[[Any], Any], batches: Iterable[tuple[Any, Any]], passed: Passed
) -> Any:
    """A plain loop; `stepped` gives what is to be stepped for what `make` made of the optimizer."""
    import torch

    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    made = make(optimizer)
    scheduler = stepped(made)
    for update, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        (net(x) - y).square().mean().backward()
        optimizer.step()
        passed(update)
        scheduler.step()
    return made


def itself(made: Any) -> Any:
    return made


def plain(options: Options, method: str | None, passed: Passed) -> Any:
    from lockstep.torch import LockstepLR

    return loop(lambda optimizer: LockstepLR(optimizer, **options), itself, loader(method), passed)


def updates(options: Options, method: str | None, passed: Passed) -> Any:
    from lockstep.updates import UpdateLR

    return loop(lambda optimizer: UpdateLR(optimizer, **options), itself, pairs(method), passed)


def torchtitan(options: Options, method: str | None, passed: Passed) -> Any:
    import torch

    from lockstep.torchtitan import Factor

    optimizers = []

    def make(optimizer: Any) -> Any:
        optimizers.append(optimizer)
        return Factor(optimizer, **options)

    return loop(make, lambda factor: torch.optim.lr_scheduler.LambdaLR(optimizers[0], factor), pairs(method), passed)


def deepspeed(options: Options, method: str | None, passed: Passed) -> Any:
    from lockstep.deepspeed import scheduler

    return loop(scheduler(**options), itself, pairs(method), passed)


def accelerate(options: Options, method: str | None, passed: Passed) -> Any:
    from accelerate import Accelerator

    from lockstep.accelerate import LockstepLR

    accelerator = Accelerator(cpu=True)
    return loop(lambda optimizer: LockstepLR(optimizer, **options), accelerator.prepare, pairs(method), passed)


def transformers(options: Options, method: str | None, passed: Passed) -> Any:
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from lockstep.transformers import follow

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x: Any, labels: Any) -> Any:
            return {"loss": (self.layer(x) - labels).square().mean()}

    class Watch(TrainerCallback):
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            passed(state.global_step)

    arguments = TrainingArguments(
        tempfile.gettempdir(),
        num_train_epochs=1,
        per_device_train_batch_size=2,
        dataloader_num_workers=2 if method else 0,
        dataloader_pin_memory=False,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(Net(), arguments, named, train_dataset=Data(), callbacks=[Watch()])
    callback = follow(trainer, **options)
    multiprocessing.set_start_method(method, force=True)
    trainer.train()
    return callback.scheduler


def lightning(options: Options, method: str | None, passed: Passed) -> Any:
    import logging

    import torch
    from lightning.pytorch import LightningModule, Trainer

    from lockstep.lightning import configure

    logging.getLogger("lightning").setLevel(logging.ERROR)

    class Net(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return (self.layer(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self) -> Any:
            return configure(torch.optim.SGD(self.parameters(), lr=0.5), **options)

        def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
            passed(index)

    net = Net()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", devices=1, enable_model_summary=False, **quiet)
    trainer.fit(net, loader(method))
    return trainer.lr_scheduler_configs[0].scheduler


def keras(options: Options, method: str | None, passed: Passed) -> Any:
    import keras

    from lockstep.keras import LockstepCallback

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    callback = LockstepCallback(**options)
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: passed(batch))
    batches = ((x.numpy(), y.numpy()) for x, y in pairs(method))
    model.fit(batches, callbacks=[callback, watch], verbose=0)
    return callback


def optax(options: Options, method: str | None, passed: Passed) -> Any:
    import jax
    import optax

    from lockstep.optax import LockstepRates

    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.0)
    params = jax.numpy.ones(2)
    state = optimizer.init(params)
    rates = LockstepRates(**options)
    for update, batch in enumerate(numbers(method)):
        state = rates.put(state)
        gradient, state = optimizer.update(params * batch, state, params)
        params = optax.apply_updates(params, gradient)
        passed(update)
    return rates


def paddle(options: Options, method: str | None, passed: Passed) -> Any:
    import paddle

    from lockstep.paddle import LockstepLR

    scheduler = LockstepLR(**options)
    net = paddle.nn.Linear(2, 1)
    optimizer = paddle.optimizer.SGD(scheduler, parameters=net.parameters())
    for update, batch in enumerate(numbers(method)):
        net(paddle.ones([1, 2]) * batch).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        passed(update)
        scheduler.step()
    return scheduler


def pairs(method: str | None) -> Iterable[tuple[Any, Any]]:
    """Batches from workers that start in no time: they need not import PyTorch."""
    import torch

    for number in numbers(method):
        yield torch.tensor([[number, 1.0]]), torch.tensor([[0.5]])


def numbers(method: str | None) -> Iterable[float]:
    """A batch for each update, from workers if a method is given to start them."""
    if method is None:
        yield from range(UPDATES)
    else:
        with multiprocessing.get_context(method).Pool(2) as pool:
            yield from pool.imap(abs, range(UPDATES))


HELD = {"paddle"}  # its default program holds the last scheduler until the process ends
ADAPTERS = {
    "torch": plain,
    "updates": updates,
    "torchtitan": torchtitan,
    "deepspeed": deepspeed,
    "accelerate": accelerate,
    "transformers": transformers,
    "lightning": lightning,
    "keras": keras,
    "optax": optax,
    "paddle": paddle,
}


def check(port: int | None) -> None:
    """Nothing of a closed adapter is left."""
    assert [t.name for t in threading.enumerate() if t.name.startswith("lockstep-")] == []
    process = psutil.Process()
    assert [c for c in process.net_connections("inet") if c.raddr and c.raddr.port == port] == []
    children = [child.cmdline() for child in process.children(recursive=True)]  # multiprocessing keeps one for itself
    assert [command for command in children if not any("resource_tracker" in word for word in command)] == []


def main(url: str, *names: str) -> None:
    def options(name: str, run: str) -> Options:
        return {"run": f"{name}-{run}", "plan": PLAN, "url": url, "worker": "w"}

    def fine(update: int) -> None:
        assert any(t.name.startswith("lockstep-") for t in threading.enumerate())

    def failing(update: int) -> None:
        if update == UPDATES - 1:
            raise ZeroDivisionError

    kept: list[Any] = []
    for name in names:
        for method in ("fork", "spawn"):
            ADAPTERS[name](options(name, method), method, fine).close()
            check(urlsplit(url).port)
    for name in names:
        ADAPTERS[name](options(name, "function"), None, fine)  # nobody holds what it made
        gc.collect()
        for thread in () if name in HELD else threading.enumerate():
            if thread.name.startswith("lockstep-"):
                thread.join()
        for _ in range(2):
            again = ADAPTERS[name](options(name, "again"), None, fine)
        again.close()
        if name not in HELD:
            check(urlsplit(url).port)
    for name in names:
        kept.append(ADAPTERS[name](options(name, "kept"), None, fine))
        try:
            ADAPTERS[name](options(name, "failed"), None, failing)
        except ZeroDivisionError as error:
            kept.append(error)
            if name == names[-1]:
                raise


if __name__ == "__main__":
    main(*sys.argv[1:])
