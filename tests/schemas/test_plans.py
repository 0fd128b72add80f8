"""Plans that say in one line what many tracks do: layers of a network, and schedulers that drive two quantities."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.control.schedules import evaluate
from app.errors import Invalid
from app.schedules import resolve
from schemas.evaluate import Evaluate
from schemas.plans import MAX_DERIVED_TRACKS, Plan, TrackSpec

LR = {"kind": "warmup_cosine", "peak": 0.1, "warmup_steps": "10%", "decay_steps": "90%"}
DERIVED = {"kind": "track", "of": "lr", "factor": 1.0}
CYCLE = {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 100}


def resolved(**plan: Any) -> Plan:
    return resolve(Plan.model_validate(plan))


def factors(plan: Plan) -> dict[str, float]:
    return {name: track.factor for name, track in plan.tracks.items() if isinstance(track, TrackSpec)}


def values(plan: Any, step: int) -> dict[str, float]:
    found: dict[str, float] = evaluate(Evaluate.model_validate({"plan": plan, "step": step})).answer()["value"]
    return found


@pytest.mark.parametrize(
    ("layerwise", "expected"),
    [
        ({"factor": 0.5, "depth": 3}, {"0/lr": 0.25, "1/lr": 0.5, "2/lr": 1.0}),
        ({"factor": 0.5, "depth": 2, "prefix": "layer."}, {"layer.0/lr": 0.5, "layer.1/lr": 1.0}),
        ({"factor": 0.1, "groups": ["stem", "head"]}, {"stem/lr": 0.1, "head/lr": 1.0}),
        (
            {"factor": 0.5, "groups": ["stem", ["body.decay", "body.plain"], "head"]},
            {"stem/lr": 0.25, "body.decay/lr": 0.5, "body.plain/lr": 0.5, "head/lr": 1.0},
        ),
        ({"factor": 1.0, "depth": 1}, {"0/lr": 1.0}),
    ],
    ids=str,
)
def test_layers(layerwise: Any, expected: dict[str, float]) -> None:
    plan = resolved(tracks={"lr": LR}, layerwise=layerwise, total_steps=100)
    assert factors(plan) == pytest.approx(expected, rel=1e-15)
    assert set(plan.tracks) == {"lr", *expected}
    assert "layerwise" not in plan.to_json()
    assert resolve(plan) is plan
    assert Plan.model_validate(plan.to_json()) == plan


def test_200_groups() -> None:
    plan = {"tracks": {"lr": LR}, "layerwise": {"factor": 0.97, "depth": 200}, "total_steps": 1000}
    found = values(plan, 321)
    assert len(found) == 201
    for index in range(200):
        assert found[f"{index}/lr"] == pytest.approx(found["lr"] * 0.97 ** (199 - index), rel=1e-14)


def test_a_track_of_ones_own_stays() -> None:
    own = {"kind": "track", "of": "lr", "factor": 10.0}
    plan = resolved(
        tracks={"lr": {"kind": "constant", "value": 1.0}, "1/lr": own}, layerwise={"factor": 0.5, "depth": 3}
    )
    assert factors(plan) == {"0/lr": 0.25, "1/lr": 10.0, "2/lr": 1.0}


def test_layers_of_another_track() -> None:
    tracks = {"lr": {"kind": "constant", "value": 1.0}, "body/weight_decay": {"kind": "constant", "value": 0.1}}
    plan = resolved(tracks=tracks, layerwise={"of": "body/weight_decay", "factor": 0.5, "groups": ["a", "b"]})
    assert factors(plan) == {"a/weight_decay": 0.5, "b/weight_decay": 1.0}


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({}, "tracks"),
        ({"tracks": {}}, "tracks"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.5}}, "depth"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.5, "depth": 2, "groups": ["a"]}}, "groups"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.5, "groups": ["a", ["b", "a"]]}}, "twice"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.5, "groups": ["a"], "prefix": "b"}}, "prefix"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.0, "depth": 2}}, "factor"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.5, "groups": ["a/b"]}}, "groups"),
        ({"tracks": {"lr": LR}, "layerwise": {"factor": 0.5, "depth": 10_001}}, "depth"),
        ({"tracks": {"lr": LR}, "layerwise": {"of": "momentum", "factor": 0.5, "depth": 2}}, "momentum"),
        (
            {"tracks": {"lr": LR, "a/lr": DERIVED}, "layerwise": {"of": "a/lr", "factor": 0.5, "depth": 2}},
            "derived itself",
        ),
    ],
    ids=str,
)
def test_refused(plan: Any, named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Plan.model_validate(plan)


def test_there_is_a_bound_on_derived_tracks() -> None:
    tracks: dict[str, Any] = {"lr": LR, "own/lr": {"kind": "track", "of": "lr", "factor": 1.0}}
    with pytest.raises(ValidationError, match="10000 derived"):
        Plan.model_validate({"tracks": tracks, "layerwise": {"factor": 0.5, "depth": MAX_DERIVED_TRACKS}})


@pytest.mark.parametrize(
    ("preset", "tracks"),
    [
        (CYCLE, ["lr", "momentum"]),
        ({**CYCLE, "cycle_momentum": False}, ["lr"]),
        ({"kind": "torch.CyclicLR", "base_lr": 0.01, "max_lr": 0.1}, ["lr", "momentum"]),
        ({"kind": "deepspeed.OneCycle", "cycle_min_lr": 0.01, "cycle_max_lr": 0.1, "base_lr": 0.1}, ["lr", "momentum"]),
        (
            {
                "kind": "megatron.OptimizerParamScheduler",
                "init_lr": 0.0,
                "max_lr": 0.1,
                "min_lr": 0.01,
                "lr_warmup_steps": 10,
                "lr_decay_steps": 100,
                "lr_decay_style": "cosine",
                "start_wd": 0.01,
                "end_wd": 0.1,
                "wd_incr_steps": 100,
                "wd_incr_style": "linear",
            },
            ["lr", "weight_decay"],
        ),
        (LR, ["lr"]),
    ],
    ids=str,
)
def test_a_preset_is_every_track_that_the_scheduler_drives(preset: Any, tracks: list[str]) -> None:
    plan = resolved(preset=preset, total_steps=100)
    assert sorted(plan.tracks) == tracks
    assert "preset" not in plan.to_json()
    apart = {name: preset if name == "lr" else {**preset, "quantity": name} for name in tracks}
    for step in (0, 7, 30, 99):
        assert values({"preset": preset, "total_steps": 100}, step) == values(
            {"tracks": apart, "total_steps": 100}, step
        )


def test_preset_tracks_and_layers_together() -> None:
    plan = resolved(
        preset=CYCLE, tracks={"weight_decay": {"kind": "constant", "value": 0.1}}, layerwise={"factor": 0.5, "depth": 2}
    )
    assert sorted(plan.tracks) == ["0/lr", "1/lr", "lr", "momentum", "weight_decay"]
    own = resolved(preset=CYCLE, tracks={"momentum": {"kind": "constant", "value": 0.9}})
    assert own.tracks["momentum"].kind == "constant"


@pytest.mark.parametrize(
    "preset",
    [
        {"kind": "torch.StepLR", "step_size": 3},  # without a rate
        {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": "3%"},  # of no length
    ],
    ids=str,
)
def test_what_is_wrong_with_a_preset_is_said_there(preset: Any) -> None:
    with pytest.raises(Invalid) as caught:
        values({"preset": preset}, 0)
    assert caught.value.errors[0][0].startswith("/plan/preset")


def test_relative_tracks_are_base_tracks_of_the_plan_and_stay_when_it_is_resolved() -> None:
    tracks = {"wd": {"kind": "constant", "value": 0.1}, "head/lr": {"kind": "track", "of": "lr", "factor": 2.0}}
    assert resolved(preset=CYCLE, tracks=tracks, relative=["lr"]).relative == ["lr"]
    for name in ("head/lr", "momentun"):
        with pytest.raises(ValidationError, match=f"`relative` names base tracks of the plan; {name} is none"):
            Plan.model_validate({"preset": CYCLE, "tracks": tracks, "relative": [name]})
