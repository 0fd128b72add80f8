"""Kinds that follow a metric: their bounds, their state, and that they stand in a plan with it."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.folds import Greedy, MetricFold, ReduceOnPlateau
from schemas.specs import schedule

LR = {"kind": "constant", "value": 0.1}


@pytest.mark.parametrize(("kind", "model"), [("reduce_on_plateau", ReduceOnPlateau), ("greedy", Greedy)])
def test_a_fold_starts_with_the_whole_value_and_keeps_what_its_rule_has_come_to(
    kind: str, model: type[MetricFold]
) -> None:
    fresh = schedule({"kind": kind, "of": LR})
    assert isinstance(fresh, model)
    assert (fresh.factor, fresh.since, fresh.metric, fresh.mode) == (1.0, 0, "loss", "min")
    moved = {"kind": kind, "of": LR, "factor": 0.25, "since": 700}
    assert schedule(moved).to_json() == moved


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "reduce_on_plateau", "multiplier": 1.0},
        {"kind": "reduce_on_plateau", "multiplier": -0.1},
        {"kind": "reduce_on_plateau", "patience": -1},
        {"kind": "reduce_on_plateau", "window": 0},
        {"kind": "reduce_on_plateau", "metric": ""},
        {"kind": "reduce_on_plateau", "mode": "best"},
        {"kind": "reduce_on_plateau", "factor": -1.0},
        {"kind": "greedy", "multiplier": 0.0},
        {"kind": "greedy", "reset_after": 0},
        {"kind": "greedy", "max_factor": -1.0},
    ],
    ids=str,
)
def test_a_rule_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schedule({"of": LR, **fields})
