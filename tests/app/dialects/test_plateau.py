"""What is particular to each library that follows a metric; the rules at large are held by vectors and libraries."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.control.schedules import evaluate
from app.errors import Invalid
from schemas.evaluate import Evaluate
from schemas.specs import KINDS

Json = dict[str, Any]
FLAT = [1.0] * 8
EXAMPLES = [
    model.example
    for kind, model in KINDS.items()
    if "." in kind and ("plateau" in kind.lower() or kind.endswith(".greedy"))
]


def values(spec: Json, metrics: list[Any], steps: Any = None) -> list[float]:
    steps = list(range(len(metrics) + 1)) if steps is None else steps
    request = Evaluate.model_validate({"schedule": spec, "metrics": metrics, "steps": steps})
    found: list[float] = evaluate(request).answer()["values"]
    return found


@pytest.mark.parametrize(
    ("spec", "metrics", "expected"),
    [
        # the rate is the library's own number: 0.1*0.1*0.1, not 0.1*(0.1*0.1)
        ({"kind": "torch.ReduceLROnPlateau", "base_lr": 0.1, "patience": 0}, FLAT[:3], [0.1, 0.1, 0.1 * 0.1, 0.1**3]),
        # one rate and one bound per group
        (
            {"kind": "torch.ReduceLROnPlateau", "base_lr": [1.0, 2.0], "group": 1, "patience": 0, "min_lr": [0.0, 1.5]},
            FLAT[:3],
            [2, 2, 1.5, 1.5],
        ),
        # a fall below 0 is no gain in `rel`
        ({"kind": "torch.ReduceLROnPlateau", "base_lr": 1.0, "patience": 0}, [-1.0, -1.0, -1.0], [1, 1, 1, 1]),
        ({"kind": "torch.ReduceLROnPlateau", "base_lr": 1.0, "patience": 1}, ["nan", "nan", 1.0], [1, 1, 0.1, 0.1]),
        # keras and paddle take the first report for the best whatever it is; inf - inf*threshold is then no number
        ({"kind": "paddle.ReduceOnPlateau", "learning_rate": 1.0, "patience": 0}, ["inf", 1.0], [1, 1, 0.1]),
        ({"kind": "paddle.ReduceOnPlateau", "learning_rate": 1.0, "patience": 0}, ["nan", 1.0], [1, 1, 0.1]),
        # paddle looks away in a cooldown, so that the 0.5 is no best
        (
            {"kind": "paddle.ReduceOnPlateau", "learning_rate": 1.0, "patience": 0, "factor": 0.5, "cooldown": 1},
            [1.0, 1.0, 0.5, 0.9, 0.9],
            [1, 1, 0.5, 0.5, 0.5, 0.25],
        ),
        (
            {"kind": "torch.ReduceLROnPlateau", "base_lr": 1.0, "patience": 0, "factor": 0.5, "cooldown": 1},
            [1.0, 1.0, 0.5, 0.9, 0.9],
            [1, 1, 0.5, 0.5, 0.25, 0.25],
        ),
        ({"kind": "paddle.ReduceOnPlateau", "learning_rate": 1, "mode": "MAX", "patience": 0}, [1.0, 2.0], [1, 1, 1]),
        # keras waits for `patience` epochs, not more; the direction of `auto` comes from the name
        ({"kind": "keras.ReduceLROnPlateau", "base_lr": 1.0, "patience": 2, "factor": 0.5}, FLAT[:3], [1, 1, 1, 0.5]),
        (
            {"kind": "keras.ReduceLROnPlateau", "base_lr": 1.0, "patience": 1, "monitor": "val_acc", "factor": 0.5},
            [0.1, 0.2, 0.3, 0.2],
            [1, 1, 1, 1, 0.5],
        ),
        # in float32, 0.1 is 0.10000000149011612
        ({"kind": "keras.ReduceLROnPlateau", "base_lr": 0.1}, [], [float(np.float32(0.1))]),
        ({"kind": "keras.ReduceLROnPlateau", "base_lr": 0.1, "dtype": "float64"}, [], [0.1]),
        # ignite drops the bound unless the group is the first
        (
            {"kind": "ignite.ReduceLROnPlateauScheduler", "base_lr": 1.0, "patience": 0, "min_lr": 0.5},
            FLAT[:2],
            [1, 1, 0.1],
        ),
        (
            {
                "kind": "ignite.ReduceLROnPlateauScheduler",
                "base_lr": 1.0,
                "patience": 0,
                "min_lr": 0.5,
                "param_group_index": 0,
            },
            FLAT[:2],
            [1, 1, 0.5],
        ),
        # optax: means of two reports, and never on a plateau with patience 0
        (
            {"kind": "optax.contrib.reduce_on_plateau", "factor": 0.5, "patience": 1, "accumulation_size": 2},
            [1.0, 3.0, 2.0, 2.0],
            [1, 1, 1, 1, 0.5],
        ),
        # timm: the warm-up ends at epoch 2, where step 2 is epoch 3; a report counts at its own step
        (
            {
                "kind": "timm.PlateauLRScheduler",
                "base_lr": 1.0,
                "warmup_t": 2,
                "patience_t": 0,
                "mode": "min",
                "decay_rate": 0.5,
            },
            FLAT[:5],
            [0.5, 1, 1, 0.5, 0.25, 0.25],
        ),
        # fairseq: 25 updates are 2 epochs and a half; the report of epoch 2 is the first that counts
        (
            {"kind": "fairseq.reduce_lr_on_plateau", "lr": [1.0], "warmup_updates": 25, "lr_shrink": 0.5},
            FLAT[:5],
            [0, 0.4, 0.8, 1, 0.5, 0.25],
        ),
        # greedy: up to 0.2 and down to 0.05, where the second reduction in vain starts again
        (
            {
                "kind": "transformers.greedy",
                "base_lr": 0.1,
                "patience": 0,
                "factor": 0.5,
                "min_lr": 0.05,
                "reset_start": 2,
                "cooldown": 1,
            },
            FLAT,
            [0.1, 0.2, 0.1, 0.1, 0.05, 0.05, 0.1, 0.1, 0.2],
        ),
        # get_scheduler's nesting
        (
            {
                "kind": "transformers.reduce_lr_on_plateau",
                "base_lr": 1.0,
                "num_warmup_steps": 100,
                "scheduler_specific_kwargs": {"patience": 0, "factor": 0.5},
            },
            FLAT[:2],
            [1, 1, 0.5],
        ),
    ],
    ids=str,
)
def test_quirks(spec: Json, metrics: list[Any], expected: list[float]) -> None:
    assert values(spec, metrics) == pytest.approx(expected, rel=1e-15)


@given(
    st.lists(st.sampled_from([1.0, 0.9, 0.81, 0.7, 0.63, -0.5, -1.0]), max_size=30),
    st.sampled_from(["min", "max"]),
    st.sampled_from(["rel", "abs"]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.1, 0.01]),
)
def test_paddle(metrics: list[float], mode: str, threshold_mode: str, patience: int, cooldown: int, th: float) -> None:
    """The rule written out once more."""
    rate, best, bad, waiting = 0.3, None, 0, 0
    expected = [rate]
    for metric in metrics:
        if waiting:
            waiting -= 1
        else:
            margin = th if threshold_mode == "abs" else (best or 0.0) * th
            gain = best is None or (metric < best - margin if mode == "min" else metric > best + margin)
            best, bad = (metric, 0) if gain else (best, bad + 1)
            if bad > patience:
                waiting, bad = cooldown, 0
                rate = max(rate * 0.5, 0.02) if rate - max(rate * 0.5, 0.02) > 1e-8 else rate
        expected.append(rate)
    spec = {
        "kind": "paddle.ReduceOnPlateau",
        "learning_rate": 0.3,
        "mode": mode,
        "factor": 0.5,
        "patience": patience,
        "threshold": th,
        "threshold_mode": threshold_mode,
        "cooldown": cooldown,
        "min_lr": 0.02,
    }
    assert values(spec, metrics) == expected


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"kind": "torch.ReduceLROnPlateau", "base_lr": 1.0, "factor": 1.0}, "factor"),
        ({"kind": "torch.ReduceLROnPlateau", "base_lr": 1.0, "mode": "median"}, "mode"),
        ({"kind": "torch.ReduceLROnPlateau", "base_lr": [1.0, 2.0], "min_lr": [0.1]}, "min_lr"),
        ({"kind": "torch.ReduceLROnPlateau"}, "base_lr"),
        ({"kind": "transformers.greedy", "base_lr": 1.0, "factor": 1.0}, "factor"),
        ({"kind": "transformers.greedy", "base_lr": 1.0, "scheduler_specific_kwargs": {"patient": 1}}, "patient"),
        ({"kind": "optax.contrib.reduce_on_plateau", "factor": 0.0}, "factor"),
        ({"kind": "optax.contrib.reduce_on_plateau", "rtol": 0.0}, "rtol"),
        ({"kind": "optax.contrib.reduce_on_plateau", "rtol": 1.5}, "rtol"),
        ({"kind": "paddle.ReduceOnPlateau", "learning_rate": 1.0, "factor": 1.0}, "factor"),
        ({"kind": "paddle.ReduceOnPlateau", "learning_rate": 1.0, "threshold_mode": 3}, "threshold_mode"),
        ({"kind": "keras.ReduceLROnPlateau", "base_lr": 1.0, "factor": 1.0}, "factor"),
        ({"kind": "timm.PlateauLRScheduler", "base_lr": 1.0, "noise_range_t": 3}, "noise_range_t"),
        ({"kind": "fairseq.reduce_lr_on_plateau", "lr": [0.1, 0.2]}, "lr"),
    ],
    ids=str,
)
def test_refused_with_the_parameter_named(spec: Json, named: str) -> None:
    with pytest.raises((ValidationError, Invalid), match=named):
        values(spec, FLAT)


@pytest.mark.parametrize("spec", EXAMPLES, ids=lambda spec: spec["kind"])
def test_a_window_is_the_slice(spec: Json) -> None:
    metrics = [1.0, 0.5, *[0.7] * 40, 0.1, *[0.2] * 40]
    whole = values(spec, metrics)
    assert len(set(whole)) > 1
    for start, stop in ((0, 1), (5, 9), (40, 84)):
        assert values(spec, metrics, {"start": start, "stop": stop}) == whole[start:stop]
    assert values(spec, metrics, [80, 3, 41]) == [whole[80], whole[3], whole[41]]
    assert values(spec, metrics, [2**40, 2**53]) == [whole[-1]] * 2


@pytest.mark.parametrize("spec", EXAMPLES, ids=lambda spec: spec["kind"])
def test_without_reports_the_rate_is_the_first(spec: Json) -> None:
    first, later = values(spec, [], [0, 2**40])
    assert later == pytest.approx(spec.get("base_lr") or spec.get("learning_rate") or spec["lr"][0], rel=1e-7)
    assert first == later or "warmup_t" in spec
