"""What the frameworks' pages say about rewinds, done with the framework: go back to 30, and on in the new attempt.

PyTorch's are tested in tests/clients/test_torch.py, and on four ranks in tests/clients/test_torch_distributed.py.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep import Follower
from lockstep.errors import AttemptSuperseded
from lockstep.testing import FakeService

BACK, TO, END = 30, 35, 60
Loop = Callable[[int], None]


def curve(step: int) -> float:
    """The plan before."""
    return 0.5 / (step + 1)


def rewound(step: int) -> float:
    """The plan after: a tenth from `TO` on."""
    return curve(step) * (0.1 if step >= TO else 1.0)


def goes_back(service: FakeService, until: Loop, back: Callable[[], None]) -> None:
    """Train to 50 with a checkpoint at `BACK`, rewind, train on until that is noticed, go back, train to the end."""
    until(50)
    service.runs["r"].rewind(TO, {"kind": "scale", "factor": 0.1})
    with pytest.raises(AttemptSuperseded) as error:
        until(1000)
    assert error.value.to_step == TO
    back()
    until(END)


def follow(**options: Any) -> tuple[FakeService, dict[str, Any]]:
    """A service, and what an adapter needs to follow its run."""
    service = FakeService(curve, lead=8)
    return service, {"run": "r", "plan": {"tracks": {}}, "transport": service.transport, **options}


def test_a_loop_of_its_own_says_where_it_goes_on() -> None:
    service, job = follow()
    used: dict[int, float] = {}
    with Follower(**job) as follower:

        def until(stop: int) -> None:
            for step in range(max(used, default=-1) + 1, stop):
                used[step] = follower.value(step).value

        def back() -> None:
            for step in range(BACK, max(used) + 1):
                del used[step]
            follower.rejoin(BACK)

        goes_back(service, until, back)
    assert used == {step: rewound(step) for step in range(END)}


def test_optax_sees_by_the_count_that_training_went_back() -> None:
    optax = pytest.importorskip("optax")
    from lockstep.optax import LockstepRates

    service, job = follow()
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.0)
    params = {"w": 0.0}
    states = [optimizer.init(params)]
    used: list[float] = []
    with LockstepRates(**job) as rates:

        def until(stop: int) -> None:
            while len(used) < stop:
                state = rates.put(states[-1])
                used.append(float(state.hyperparams["learning_rate"]))
                states.append(optimizer.update(params, state, params)[1])

        def back() -> None:
            del states[BACK + 1 :], used[BACK:]

        goes_back(service, until, back)
    assert used == pytest.approx([rewound(step) for step in range(END)], rel=1e-6)


def test_paddle_loads_the_optimizers_state() -> None:
    paddle = pytest.importorskip("paddle")
    from lockstep.paddle import LockstepLR

    service, job = follow()
    scheduler = LockstepLR(**job)
    net = paddle.nn.Linear(1, 1)
    optimizer = paddle.optimizer.SGD(scheduler, parameters=net.parameters())
    used: list[float] = []
    saved: list[Any] = []

    def until(stop: int) -> None:
        while len(used) < stop:
            if len(used) == BACK and not saved:
                saved.append(optimizer.state_dict())
            net(paddle.ones([1, 1])).backward()
            used.append(optimizer.get_lr())
            optimizer.step()
            scheduler.step()

    def back() -> None:
        optimizer.set_state_dict(saved[0])
        del used[BACK:]

    goes_back(service, until, back)
    scheduler.close()
    assert used == pytest.approx([rewound(step) for step in range(END)], rel=1e-12)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_keras_loads_the_model_and_fits_again(tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
    import keras
    import numpy as np

    from lockstep.keras import LockstepCallback

    service, job = follow()
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    callback = LockstepCallback(**job)
    used: dict[int, float] = {}

    class Note(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert callback.reading is not None
            used[step := int(self.model.optimizer.iterations) - 1] = callback.reading.value
            if step == 50 and not service.runs["r"].rewinds:
                service.runs["r"].rewind(TO, {"kind": "scale", "factor": 0.1})

    def until(stop: int) -> None:
        data = np.ones((stop - int(model.optimizer.iterations), 1))
        model.fit(data, data, batch_size=1, verbose=0, callbacks=[callback, Note()])

    until(BACK)
    model.save(tmp_path / "checkpoint.keras")
    with pytest.raises(AttemptSuperseded) as error:
        until(1000)
    assert error.value.to_step == TO
    model = keras.saving.load_model(tmp_path / "checkpoint.keras")
    until(END)
    assert [used[step] for step in range(END)] == pytest.approx([rewound(step) for step in range(END)], rel=1e-12)
