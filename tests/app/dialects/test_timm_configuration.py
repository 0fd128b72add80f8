"""timm's arguments, held to its own factory where it is installed, and the states of its schedulers."""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read, read

Json = dict[str, Any]
EPOCH = 10
ARGS: Json = {
    "model": "resnet50",
    "opt": "sgd",
    "sched": "cosine",
    "sched_on_updates": False,
    "lr": 0.1,
    "lr_base": 0.1,
    "lr_noise": None,
    "lr_noise_pct": 0.67,
    "lr_cycle_mul": 1.0,
    "lr_cycle_decay": 0.5,
    "lr_cycle_limit": 1,
    "lr_k_decay": 1.0,
    "warmup_lr": 1e-4,
    "min_lr": 1e-5,
    "epochs": 20,
    "decay_milestones": [8, 15],
    "decay_epochs": 6,
    "warmup_epochs": 5,
    "warmup_prefix": False,
    "cooldown_epochs": 3,
    "patience_epochs": 10,
    "decay_rate": 0.3,
    "layer_decay": None,
    "weight_decay": 2e-5,
    "drop_rate": 0.1,
}


@pytest.fixture(scope="module")
def factory() -> Iterator[Any]:
    """timm's module `scheduler.scheduler_factory`, without its packages' `__init__`, which want torchvision."""
    found = importlib.util.find_spec("timm")
    if found is None:
        pytest.skip("timm is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in (("timm", ""), ("timm.scheduler", "/scheduler")):
            package = types.ModuleType(name)
            package.__path__ = [f"{(found.submodule_search_locations or [''])[0]}{folder}"]
            patch.setitem(sys.modules, name, package)
        yield importlib.import_module("timm.scheduler.scheduler_factory")


def trained(factory: Any, args: Json) -> dict[int, float]:
    """The rate of each update in a run of timm's script, with 10 updates in an epoch."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=args["lr"])
    scheduler, epochs = factory.create_scheduler(types.SimpleNamespace(**args), optimizer, EPOCH)
    rates = {}
    for epoch in range(int(epochs)):
        for update in range(epoch * EPOCH, (epoch + 1) * EPOCH):
            rates[update] = optimizer.param_groups[0]["lr"]
            scheduler.step_update(num_updates=update + 1)
        scheduler.step(epoch + 1)
    return rates


@pytest.mark.parametrize("per_update", [False, True])
@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"warmup_prefix": True},
        {"lr_cycle_limit": 3, "lr_cycle_mul": 2.0, "epochs": 5, "warmup_epochs": 2},
        {"lr_cycle_limit": 2, "lr_k_decay": 2.0},
        {"sched": "tanh"},
        {"sched": "poly", "decay_rate": 0.9},
        {"sched": "step"},
        {"sched": "step", "warmup_prefix": True},
        {"sched": "multistep"},
        {"sched": "constant"},
        {"sched": "wsd"},
        {"sched": "wsd", "decay_epochs": 0.25, "lr_decay_fn": "cosine"},
        {"sched": "rsqrt", "lr_stable_timescale": 7.0},
        {"sched": "wsd", "warmup_prefix": True},
    ],
    ids=str,
)
def test_arguments_give_the_rates_of_the_script(factory: Any, extra: Json, per_update: bool) -> None:
    args = {**ARGS, **extra, "sched_on_updates": per_update}
    answer = means(args, trained(factory, args), steps_per_epoch=EPOCH)
    assert answer["library"] == "timm"


def test_a_plateau_counts_reports() -> None:
    schedule = read({**ARGS, "sched": "plateau", "eval_metric": "loss"})["schedule"]
    assert (schedule["kind"], schedule["mode"], schedule["metric"]) == ("timm.PlateauLRScheduler", "min", "loss")


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"lr": None}, "/config/lr", "`base_lr`"),
        ({"lr_noise": [0.4, 0.9]}, "/config/lr_noise", "random"),
        ({"layer_decay": 0.75}, "/config/layer_decay", "layerwise"),
        ({"sched": "cosin"}, "/config/sched", "did you mean 'cosine'"),
        ({"min_lr": "1e-5"}, "/config/min_lr", "1.0e-5"),
        ({"lr_cycle_limit": 10**9, "lr_cycle_mul": 2.0}, "/config/lr_cycle_limit", "100"),
        ({"lr_restart": 3}, "/config/lr_restart", "no field"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**ARGS, **extra}, pointer, said, steps_per_epoch=EPOCH)


def test_epochs_need_their_length() -> None:
    not_read(ARGS, "/steps_per_epoch", "from epoch to epoch")


@pytest.mark.parametrize(
    ("name", "module", "given"),
    [
        ("CosineLRScheduler", "cosine_lr", {"t_initial": 20, "warmup_t": 3, "lr_min": 0.01, "warmup_lr_init": 0.001}),
        ("PolyLRScheduler", "poly_lr", {"t_initial": 20, "power": 0.9}),
        ("TanhLRScheduler", "tanh_lr", {"t_initial": 20}),
        ("StepLRScheduler", "step_lr", {"decay_t": 6, "decay_rate": 0.5}),
        ("MultiStepLRScheduler", "multistep_lr", {"decay_t": [3, 9], "decay_rate": 0.5}),
        ("WSDLRScheduler", "wsd_lr", {"t_initial": 20, "decay_t": 5, "warmup_t": 3}),
    ],
)
def test_a_state_gives_the_rates_of_its_scheduler(factory: Any, name: str, module: str, given: Json) -> None:
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in (0.1, 0.1, 0.3)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = getattr(importlib.import_module(f"timm.scheduler.{module}"), name)(optimizer, **given)
    state = scheduler.state_dict()
    for group, track in ((0, "lr"), (2, "2/lr")):
        expected = {}
        for step in range(25):
            scheduler.step(step)
            expected[step] = optimizer.param_groups[group]["lr"]
        assert means(state, expected, track)["library"] == "timm"
    not_read({**state, "lr_max": 1.0}, "/config/lr_max", "no field")
    not_read({**state, "noise_range_t": 3}, "/config/noise_range_t", "random")
