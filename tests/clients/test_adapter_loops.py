"""How people write their loops, with every adapter for PyTorch: no cell of the matrix is silent.

A loop is a word: `u` is an update of every optimizer, `s` the scheduler's step, `-` an update that a gradient scaler
skips. In each cell the rates used are the committed ones, or their steps are unverified with a reason and the log says
it, or the loop is refused in words.
"""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("accelerate", reason="Accelerate is not installed")

import torch
from torch.optim.lr_scheduler import LambdaLR

from lockstep import accelerate, updates
from lockstep.errors import Misused
from lockstep.testing import FakeService
from lockstep.torch import LockstepLR
from lockstep.torchtitan import Factor
from tests.clients.revised import PLAN
from tests.clients.wrappers import SAM, Alone, Lookahead

LOOPS = {
    "right": "us" * 40,
    "before": "su" * 40,
    "per epoch": ("u" * 10 + "s") * 4,
    "twice per update": "uss" * 20,
    "two updates": "uus" * 20,
    "steps left out": "us" * 10 + "u" * 8 + "us" * 22,
    "updates left out": "us" * 10 + "s" * 8 + "us" * 22,
    "forgotten": "u" * 40,
    "skipped": ("-s" + "us" * 7) * 5,
}


def titan(optimizers: Any, **options: Any) -> Any:
    given = [optimizers] if isinstance(optimizers, torch.optim.Optimizer) else optimizers
    factor = Factor(given, **options)
    schedulers = [LambdaLR(optimizer, factor) for optimizer in given]

    class Container:
        def step(self) -> None:
            for scheduler in schedulers:
                scheduler.step()

        def close(self) -> None:
            factor.close()

    return Container()


ADAPTERS: dict[str, Callable[..., Any]] = {
    "torch": LockstepLR,
    "updates": updates.UpdateLR,
    "accelerate": accelerate.LockstepLR,
    "torchtitan": titan,
}
SHAPES: dict[str, Callable[[list[torch.optim.Optimizer]], Any]] = {
    "one": lambda inner: inner[0],
    "several": lambda inner: inner,
    "Lookahead": lambda inner: Lookahead(inner[0]),
    "SAM": lambda inner: SAM(inner[0]),
    "unseen": lambda inner: Alone(inner[0].param_groups),
}


def curve(step: int) -> float:
    return 1 / (step + 3)


def update(shape: Any) -> None:
    for optimizer in shape if isinstance(shape, list) else [shape]:
        if isinstance(optimizer, SAM):
            optimizer.first_step()
            optimizer.second_step()
        else:
            optimizer.step()


@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")  # torch's own schedulers say it themselves
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_no_loop_is_silent(adapter: str, shape: str, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    for weight in weights:
        weight.grad = torch.full((2,), 0.1)
    inner: list[torch.optim.Optimizer] = [torch.optim.SGD([weight], lr=1.0) for weight in weights]
    made, service, used, refused = SHAPES[shape](inner), FakeService(curve, lead=16), list[float](), ""
    options: dict[str, Any] = {"run": "r", "plan": PLAN, "transport": service.transport}
    if loop == "skipped" and adapter != "torchtitan":
        options["scaler"] = torch.amp.GradScaler("cpu")
    try:
        scheduler = ADAPTERS[adapter](made, **options)
        for letter in LOOPS[loop]:
            if letter == "u":
                used.append(inner[0].param_groups[0]["lr"])
                update(made)
                used[-1] = inner[0].param_groups[0]["lr"]
            elif letter == "s":
                scheduler.step()
        scheduler.close()
    except Misused as error:
        refused = str(error)
    run = service.runs["r"]
    wrong = [step for step, rate in enumerate(used[: run.horizon]) if rate != curve(step)]
    if refused:
        assert "updates" in refused
    elif wrong:
        reasons = {why["reason"] for why in run.unverified_reasons}
        assert all(any(start <= step < stop for start, stop in run.unverified) for step in wrong), run.unverified
        assert reasons == ({"uncounted"} if shape == "unseen" else {"miscounted"})
        assert shape == "unseen" or caplog.text.count("Run r is miscounted from step") == 1
    elif shape == "unseen":
        assert {why["reason"] for why in run.unverified_reasons} <= {"uncounted"}
    else:
        assert (run.unverified, caplog.text) == ([], "")
    if loop == "right" and shape != "unseen":
        assert (wrong, refused) == ([], "")
