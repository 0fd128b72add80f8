"""The use cases on schedules, without HTTP."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.control.schedules import MAX_VALUES, evaluate, explain, kind, kinds
from app.errors import Invalid, NotFound, TooLarge
from schemas.evaluate import Evaluate, Explain

RAMP = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100}
PLAN = {"tracks": {"lr": RAMP, "head/lr": {"kind": "track", "of": "lr", "factor": 2.0}}}


def ask(**fields: Any) -> Any:
    return evaluate(Evaluate.model_validate(fields)).answer()


def test_shapes_of_answers() -> None:
    values = [1.0, 0.5, 0.0]
    assert ask(schedule=RAMP, steps=[0, 50, 100]) == {
        "steps": [0, 50, 100],
        "values": values,
        "dtype": "float64",
        "warnings": [],
    }
    wanted = {"start": 0, "stop": 101, "stride": 50}
    assert ask(schedule=RAMP, steps=wanted) == {
        "steps": wanted,
        "values": values,
        "dtype": "float64",
        "warnings": [],
    }
    assert ask(schedule=RAMP, step=25) == {"step": 25, "value": 0.75}
    assert ask(plan=PLAN, step=25) == {"step": 25, "value": {"lr": 0.75, "head/lr": 1.5}}
    assert ask(plan=PLAN, steps=[50])["values"] == {"lr": [0.5], "head/lr": [1.0]}


def test_lengths_come_from_the_request_or_the_plan() -> None:
    percent = {**RAMP, "steps": "50%"}
    assert ask(schedule=percent, total_steps=10, step=4)["value"] == pytest.approx(0.2)
    assert ask(plan={"tracks": {"lr": percent}}, total_steps=10, step=4)["value"] == {"lr": pytest.approx(0.2)}
    assert ask(plan={"tracks": {"lr": percent}, "total_steps": 20}, total_steps=10, step=4)["value"]["lr"] == 0.6
    assert len(ask(schedule=RAMP, total_steps=7)["values"]) == 7


def test_points_keep_the_joins() -> None:
    spike = {"kind": "interpolate", "points": [[0, 1.0], [777, 5.0], [778, 1.0]]}
    found = ask(schedule=spike, steps={"stop": 10_000}, points=20)
    assert {0, 776, 777, 778, 9999} <= set(found["steps"])
    assert len(found["steps"]) == len(found["values"]) <= 20
    assert found["values"][found["steps"].index(777)] == 5.0
    both = ask(plan={"tracks": {"lr": RAMP, "wd": spike}}, steps={"stop": 10_000}, points=40)
    assert {100, 777} <= set(both["steps"])
    assert all(len(column) == len(both["steps"]) for column in both["values"].values())


def test_metrics_count_from_the_next_step() -> None:
    fold = {"kind": "reduce_on_plateau", "of": RAMP, "multiplier": 0.5, "patience": 0}
    metrics = [1.0, 1.0, "nan", 0.5]
    assert ask(schedule=fold, metrics=metrics, steps=[0, 1, 2, 3, 4, 50])["values"] == pytest.approx(
        [1.0, 0.99, 0.49, 0.2425, 0.24, 0.125]
    )
    assert ask(schedule=fold, metrics=metrics, steps=[50, 2])["values"] == pytest.approx([0.125, 0.49])
    with pytest.raises(Invalid, match="nothing here follows a metric"):
        ask(schedule=RAMP, metrics=[1.0], step=1)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"schedule": {"kind": "scale", "factor": 1.0, "of": {**RAMP, "steps": "1ep"}}}, "/schedule/of/steps"),
        ({"schedule": {"kind": "formula", "expression": "1/("}}, "/schedule/expression"),
        ({"schedule": {"kind": "formula", "expression": "1/(step - 3)"}}, "/schedule"),
        ({"plan": {"tracks": {"a/lr": {"kind": "formula", "expression": "log(step - 4)"}}}}, "/plan/tracks/a~1lr"),
    ],
    ids=str,
)
def test_errors_point_into_the_request(fields: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        ask(**fields, step=3)
    assert [where for where, _ in caught.value.errors] == [pointer]


def test_the_step_of_a_value_that_is_none_is_named() -> None:
    with pytest.raises(Invalid, match="step 7 is inf") as caught:
        ask(schedule={"kind": "formula", "expression": "1/(step - 7)**2"}, steps={"start": 1, "stop": 20, "stride": 3})
    assert caught.value.members == {"step": 7}


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": RAMP, "steps": {"stop": 2_000_001}},
        {"schedule": RAMP, "steps": {"stop": 2**53}, "points": 100},
        {"plan": PLAN, "steps": {"stop": 1_000_001}},
        {
            "schedule": {"kind": "product", "of": [{"kind": "product", "of": [RAMP] * 64}] * 64},
            "steps": {"stop": 10**6},
        },
    ],
    ids=lambda fields: str(fields)[:80],
)
def test_too_much_is_refused(fields: Any) -> None:
    with pytest.raises(TooLarge):
        ask(**fields)


def test_bytes_may_hold_more() -> None:
    found = evaluate(Evaluate.model_validate({"schedule": RAMP, "steps": {"stop": 2_000_001}}), limit=MAX_VALUES)
    assert found.values["lr"].shape == (2_000_001,)


def deep(levels: int, wrap: Any) -> Any:
    schedule: Any = RAMP
    for _ in range(levels):
        schedule = wrap(schedule)
    return schedule


@pytest.mark.parametrize(
    "schedule",
    [
        deep(33, lambda inner: {"kind": "clamp", "of": inner}),
        deep(200, lambda inner: {"kind": "scale", "factor": 1.0, "of": inner}),
        deep(20_000, lambda inner: {"kind": "sum", "of": [inner]}),
        {"kind": "sum", "of": [{"kind": "sum", "of": [{"kind": "sum", "of": [RAMP] * 60}] * 60}] * 3},
        deep(500, lambda inner: [inner]),
    ],
    ids=lambda schedule: str(type(schedule)),
)
def test_bombs_are_refused_before_anything_looks_inside(schedule: Any) -> None:
    with pytest.raises(ValidationError, match="more than"):
        Evaluate.model_validate({"schedule": schedule, "step": 0})


def test_deep_but_allowed_schedules_work() -> None:
    assert ask(schedule=deep(31, lambda inner: {"kind": "clamp", "of": inner}), step=0)["value"] == 1.0
    warmups = deep(12, lambda inner: {"kind": "warmup", "steps": 1, "then": inner})
    assert ask(schedule=warmups, step=12)["value"] == 1.0


def test_the_catalogue_is_searched_by_name_and_alias() -> None:
    def found(query: str) -> list[str]:
        return [entry["kind"] for entry in kinds(query)["items"]]

    assert {"ramp", "warmup", "track", "reduce_on_plateau"} <= set(found(""))
    assert found("warmup")[0] == "warmup"
    assert "repeat" in found("SGDR")
    assert found("no such thing") == []
    assert found("one_cycle")[0] == found("One-Cycle")[0] == "one_cycle"
    assert found("reducelronplateau")[0] in ("torch.ReduceLROnPlateau", "keras.ReduceLROnPlateau", "reduce_on_plateau")
    assert set(found("torch.")) == {name for name in found("") if name.startswith("torch.")}
    assert "warmup_cosine" in found("warmup cosine")
    assert "repeat" in found("each cycle longer")  # by its summary
    entry = kind("sequence")
    assert entry["parameters"]["required"] == ["kind", "phases"]
    assert "$ref" not in str(entry)
    assert entry["summary"] == "Schedules one after another, each with its own clock from 0; the last goes on for ever."
    assert entry["values"][:3] == [(0, 0.0), (1, pytest.approx(0.01)), (9, pytest.approx(0.09))]  # to the join at 10


def test_an_unknown_kind_comes_with_suggestions() -> None:
    with pytest.raises(NotFound, match="did you mean warmup") as caught:
        kind("warmpu")
    assert caught.value.members["suggestions"][0] == "warmup"


def test_every_kind_says_all_about_itself() -> None:
    for entry in kinds()["items"]:
        assert entry["summary"].endswith("."), entry["kind"]
        assert entry["formula"]
        assert entry["source"], entry["kind"]
        assert all(np.isfinite(value) for _, value in entry["values"])
        assert entry["example"]["kind"] == entry["kind"]
        for name, field in entry["parameters"]["properties"].items():
            assert name == "kind" or field.get("description"), (entry["kind"], name)


def test_values_are_the_slices_of_each_other() -> None:
    whole = np.array(ask(schedule=RAMP, steps={"stop": 100})["values"])
    assert np.array_equal(ask(schedule=RAMP, steps={"start": 3, "stop": 77, "stride": 5})["values"], whole[3:77:5])


ONE_CYCLE = {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 500}
SHORT = {"tracks": {"lr": {**RAMP, "steps": 400}, "head/lr": {**RAMP, "steps": 0.5}}, "total_steps": 1000}


@pytest.mark.parametrize(
    ("subject", "warned"),
    [
        ({"schedule": ONE_CYCLE, "total_steps": 1000}, [("past-the-end", "/schedule")]),
        ({"plan": {"preset": ONE_CYCLE, "total_steps": 1000}}, [("past-the-end", "/plan/preset")]),
        (
            {"plan": SHORT},
            [("below-one-step", "/plan/tracks/head~1lr/steps"), ("ends-early", "/plan/tracks/lr")],
        ),
        ({"schedule": ONE_CYCLE, "total_steps": 500}, []),
    ],
    ids=str,
)
def test_evaluate_and_explain_warn_of_the_same(subject: Any, warned: list[tuple[str, str]]) -> None:
    explained = explain(Explain.model_validate(subject))["warnings"]
    for steps in ({}, {"steps": [0, 1]}, {"points": 10}):
        assert [(w["code"], w["pointer"]) for w in ask(**subject, **steps)["warnings"]] == warned
    assert {(warning["code"], warning["pointer"]) for warning in explained} == set(warned)


def test_one_step_comes_without_warnings() -> None:
    assert "warnings" not in ask(schedule=ONE_CYCLE, total_steps=1000, step=3)
