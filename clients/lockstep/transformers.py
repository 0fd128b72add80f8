"""Transformers: `follow(trainer, ...)` makes a Trainer use, log and save the rates of a run."""

from collections.abc import Callable
from typing import Any

try:
    from transformers import Trainer, TrainerCallback
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.transformers needs the Trainer: pip install 'transformers[torch]'") from error

from lockstep.accelerate import LockstepLR
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.window import Window


def follow(
    trainer: Trainer,
    run: str | None = None,
    plan: Document | Callable[[int], Document] | None = None,
    **options: Any,
) -> "LockstepCallback":
    """Let a Trainer follow a run: call it once, before `trainer.train()`.

        trainer = Trainer(model, arguments, train_dataset=data)
        follow(trainer, run="my-run", plan=plan, url="http://lockstep:8000")
        trainer.train()

    The Trainer makes a `LockstepLR` where it would make a scheduler of its own, so what it logs as `learning_rate` is
    what the update used, `scheduler.pt` of a checkpoint holds the place in the run, and `resume_from_checkpoint`
    continues there. Logs also get `lockstep_revision`. `plan` may be a function of the number of updates. `options` are
    those of `lockstep.torch.LockstepLR`. `lr_scheduler_type` and `warmup_steps` of the arguments are not used.

    Raises `Misused` where the Trainer was given a scheduler already.
    """
    if trainer.lr_scheduler is not None:
        raise Misused("This Trainer has a scheduler: leave it out of `optimizers`, follow() makes the one of the run.")
    callback = LockstepCallback()

    def create_scheduler(num_training_steps: int, optimizer: Any = None) -> Any:
        if trainer.lr_scheduler is None:
            document = plan(num_training_steps) if callable(plan) else plan
            optimizer = trainer.optimizer if optimizer is None else optimizer
            callback.scheduler = trainer.lr_scheduler = LockstepLR(optimizer, run, document, **options)
            trainer._created_lr_scheduler = True
        return trainer.lr_scheduler

    trainer.create_scheduler = create_scheduler
    trainer.callback_handler.callbacks.insert(0, callback)  # before those that report
    return callback


class LockstepCallback(TrainerCallback):
    """Adds the revision to the Trainer's logs, and says goodbye to the run at the end. `follow` installs it."""

    def __init__(self) -> None:
        self.scheduler: LockstepLR | None = None
        self._window: Window | None = None

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Keep the window that the update used: logs are written when the scheduler is one step further."""
        if (scheduler := self.scheduler) is not None:
            self._window = scheduler._window

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Note the revision beside the rate."""
        if self._window is not None and "learning_rate" in logs:
            for entry in (logs, state.log_history[-1]):
                entry["lockstep_revision"] = self._window.revision

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Report the last values and end the background thread."""
        if self.scheduler is not None:
            self.scheduler.close()
