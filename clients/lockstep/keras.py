"""Keras 3: `LockstepCallback` sets the rate of a run before every batch, on any backend."""

from array import array
from typing import Any, Unpack

try:
    import keras
except ImportError as error:  # pragma: no cover
    raise ImportError("lockstep.keras needs Keras 3 and a backend: pip install keras torch") from error

from lockstep.adapter import Adapter, Resumable
from lockstep.client import Document
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.report import Record


class LockstepCallback(keras.callbacks.Callback):
    """The rates of a run, in the optimizer of a model.

        model.compile(keras.optimizers.Adam(1e-3), loss)
        model.fit(data, callbacks=[LockstepCallback("my-run", plan, url="http://lockstep:8000")])

    The step is `optimizer.iterations`, so accumulation, updates that a loss scale skips, a second `fit` and a model
    loaded from a file or by `BackupAndRestore` are right without anything else; it is read at every batch, which waits
    for the batch before. The logs of an epoch get `learning_rate` and `lockstep_revision` of its last update. Only the
    track `lr` has a place in Keras: every other number of an optimizer is compiled in. `options` are those of
    `lockstep.adapter.Resumable`.

    Raises `Misused` over a LearningRateSchedule, several updates per execution or several optimizers, and what a
    `Follower` raises.
    """

    def __init__(self, run: str | None = None, plan: Document | None = None, **options: Unpack[Resumable]) -> None:
        super().__init__()
        self._adapter = Adapter(run, plan, first="fit()", **options)
        self._optimizer: Any = None
        self._step = -1  # the update that the rate in the optimizer is for
        self._written = 0.0
        self.reading: Reading | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Join the run where the optimizer stands."""
        optimizer = self.model.optimizer
        if optimizer is None or hasattr(optimizer, "optimizers"):
            raise Misused("LockstepCallback needs a model that is compiled with one optimizer.")
        schedule = getattr(optimizer, "inner_optimizer", optimizer)._learning_rate
        if callable(schedule):
            raise Misused("Construct the optimizer with a number as its rate: the run replaces it, not a schedule.")
        if self.model.steps_per_execution != 1:
            raise Misused("Every update has its own rate: compile the model with steps_per_execution=1.")
        self.close()
        self._step, self._optimizer = -1, optimizer
        follower = self._adapter.join(self._iterations())
        follower.record.counter = Iterations(self.model, optimizer, follower.record)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the update that comes."""
        step = self._iterations()
        if step != self._step:
            self._compare()
            if 0 <= self._step < step - 1:
                self._adapter.parted(self._step, step)
            self.reading = self._adapter.follower.value(step)
            self._optimizer.learning_rate = self.reading.value
            self._step, self._written = step, self._rounded(self.reading.value)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the rate and the revision of the last update to the logs."""
        if logs is not None and self.reading is not None:
            logs["learning_rate"] = self._rate()
            logs["lockstep_revision"] = self.reading.revision

    def on_train_end(self, logs: Any = None) -> None:
        """Report the last values and end the background thread; the next `fit` joins again."""
        if self._adapter.joined:
            self._compare()
        self.close()

    def close(self) -> None:
        """Leave the run. `fit` does it at its end, and again where an exception ended it."""
        self._adapter.close()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint, beside the model: what is needed to go on while the service is away, as JSON data."""
        return self._adapter.follower.state(self._iterations())

    def _iterations(self) -> int:
        return iterations(self.model, self._optimizer)

    def _rate(self) -> float:
        return float(self._optimizer.learning_rate)

    def _rounded(self, value: float) -> float:
        """What the optimizer holds when `value` was written to it, without asking the device where that is known."""
        single = self._optimizer.learning_rate.dtype == "float32"
        return array("f", (value,))[0] if single else self._rate()

    def _compare(self) -> None:
        """Note it where the last update used something else than what was written for it."""
        if self._step >= 0 and (used := self._rate()) != self._written:
            self._adapter.differs(self._step, "lr", used)


class Iterations:
    """A `lockstep.report.Counter`: the optimizer's own count, which tells at the end of any `fit` what was used."""

    def __init__(self, model: Any, optimizer: Any, record: Record) -> None:
        self._model, self._optimizer, self._record = model, optimizer, record

    def position(self) -> int:
        """The update that the last batch began with: asking the device is for the training."""
        return self._record.step

    def beyond(self) -> bool:
        """No: what was made is the count."""
        return False

    def settle(self, record: Record) -> int:
        """The updates that were made."""
        return iterations(self._model, self._optimizer)


def iterations(model: Any, optimizer: Any) -> int:
    """The updates that an optimizer has made."""
    if (sync := getattr(model, "jax_state_sync", None)) is not None:
        sync()  # JAX keeps the state of fit() elsewhere; this brings it to the optimizer
    return int(optimizer.iterations)
