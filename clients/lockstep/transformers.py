"""Transformers: `follow(trainer, ...)` makes a Trainer use, log and save the rates of a run."""

from collections.abc import Callable
from typing import Any, Unpack

try:
    from transformers import Trainer
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.transformers needs the Trainer: pip install 'transformers[torch]'") from error

from lockstep.accelerate import LockstepLR
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.torch import Settings
from lockstep.window import Window


def follow(
    trainer: Trainer,
    run: str | None = None,
    plan: Document | Callable[[int], Document] | None = None,
    **settings: Unpack[Settings],
) -> "Following":
    """Let a Trainer follow a run: call it once, before `trainer.train()`.

        trainer = Trainer(model, arguments, train_dataset=data)
        follow(trainer, run="my-run", plan=plan, url="http://lockstep:8000")
        trainer.train()

    The Trainer makes a `LockstepLR` where it would make a scheduler of its own, so what it logs as `learning_rate` is
    what the update used, `scheduler.pt` of a checkpoint holds the place in the run, and `resume_from_checkpoint`
    continues there. Logs also get `lockstep_revision`. `plan` may be a function of the number of updates. `settings`
    are those of `lockstep.torch.LockstepLR`. `lr_scheduler_type` and `warmup_steps` of the arguments are not used.

    Raises `Misused` where the Trainer was given a scheduler already.
    """
    if trainer.lr_scheduler is not None:
        raise Misused("This Trainer has a scheduler: leave it out of `optimizers`, follow() makes the one of the run.")
    following = Following(trainer)

    def create_scheduler(num_training_steps: int, optimizer: Any = None) -> Any:
        if trainer.lr_scheduler is None:
            document = plan(num_training_steps) if callable(plan) else plan
            optimizer = trainer.optimizer if optimizer is None else optimizer
            following.scheduler = trainer.lr_scheduler = TrainerLR(optimizer, run, document, **settings)
            trainer._created_lr_scheduler = True
        return trainer.lr_scheduler

    trainer.create_scheduler = create_scheduler
    return following


class TrainerLR(LockstepLR):
    """Keeps the window that the last update used: logs are written when the scheduler is one step further."""

    used: Window | None = None

    def step(self, epoch: int | None = None) -> None:
        """As `lockstep.accelerate.LockstepLR.step`."""
        self.used = self._window
        super().step(epoch)


class Following:
    """Adds the revision to a Trainer's logs, and says goodbye to the run at the end of the training.

    No TrainerCallback: the Trainer calls each one four times a step, which costs more than following the run.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.scheduler: TrainerLR | None = None
        self._trainer, self._log, self._end = trainer, trainer.log, trainer.callback_handler.on_train_end
        trainer.log, trainer.callback_handler.on_train_end = self.log, self.end

    def log(self, logs: dict[str, float], *arguments: Any, **keywords: Any) -> None:
        """Note the revision beside the rate: before the log goes to those that report."""
        if self.scheduler is not None and "learning_rate" in logs:
            skipped = self._trainer.accelerator.optimizer_step_was_skipped  # then the scheduler stands still
            if (window := self.scheduler._window if skipped else self.scheduler.used) is not None:
                logs["lockstep_revision"] = window.revision
        self._log(logs, *arguments, **keywords)

    def end(self, *arguments: Any) -> Any:
        """Report the last values and end the background thread."""
        if self.scheduler is not None:
            self.scheduler.close()
        return self._end(*arguments)
