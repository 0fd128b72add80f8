"""What holds for every kind of every library, on the example that its documentation shows."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.errors import Invalid
from app.schedules import CompiledPlan, compile_plan, resolve
from schemas.base import field_docs
from schemas.plans import Plan
from schemas.specs import KINDS, Lowered, Spec, schedule

DIALECTS = [model for kind, model in KINDS.items() if "." in kind]
FAR = [2**31, 2**40, 2**53]
STEPS = 300

every = pytest.mark.parametrize("model", DIALECTS, ids=lambda model: model.example["kind"])


def compiled(spec: dict[str, Any]) -> CompiledPlan:
    """The one track of a plan, ready to be evaluated."""
    plan = Plan.model_validate({"tracks": {"lr": spec}, "total_steps": 100, "steps_per_epoch": 10})
    return compile_plan(resolve(plan))


@every
def test_a_window_is_a_slice_bit_for_bit_and_nothing_warns(model: type[Spec]) -> None:
    plan = compiled(model.example)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = plan.values("lr", 0, STEPS)
        for start, stop in ((0, 1), (1, 2), (7, 8), (5, 50), (99, 102), (255, STEPS)):
            assert plan.values("lr", start, stop).tobytes() == whole[start:stop].tobytes()
        assert plan.at("lr", list(range(0, STEPS, 7))).tobytes() == whole[::7].tobytes()
        far = plan.at("lr", FAR)
    assert np.isfinite(whole[:100]).all()
    assert far.shape == (len(FAR),)


@every
def test_the_documentation_is_there(model: type[Spec]) -> None:
    kind = model.example["kind"]
    assert model.model_fields["kind"].annotation.__args__ == (kind,)  # type: ignore[union-attr]
    assert model.__name__.lower().startswith(kind.partition(".")[0].replace("_", ""))
    assert (model.__doc__ or "").strip().endswith(".")
    assert model.formula
    assert model.source
    undocumented = model.model_fields.keys() - field_docs(model).keys() - {"kind"}
    assert undocumented == set()


@every
def test_it_stands_where_its_name_says(model: type[Spec]) -> None:
    """In the module or folder of its library, which has a test of its name."""
    library = model.example["kind"].partition(".")[0]
    assert model.__module__.split(".")[:3] == ["app", "dialects", library]
    assert (Path(__file__).with_name("dialects") / f"test_{library}.py").exists()


def test_names_are_unique() -> None:
    names = [model.__name__ for model in DIALECTS]
    assert len(set(names)) == len(names)


@every
def test_it_lowers_to_specs_and_leaves_itself_as_it_is(model: type[Spec]) -> None:
    spec = schedule(model.example)
    before = spec.to_json()
    if "total_steps" not in model.model_fields and "num_updates" not in model.model_fields:
        assert isinstance(spec, Lowered)
        assert spec.lower() == spec.lower()
    assert spec.to_json() == before == model.example


@every
def test_a_missing_rate_is_named(model: type[Spec]) -> None:
    if "base_lr" not in model.example or model.model_fields["base_lr"].get_default() is not None:
        return
    with pytest.raises((Invalid, ValidationError), match="base_lr"):
        compiled({name: value for name, value in model.example.items() if name != "base_lr"})
