"""The registry: a kind is there by being defined, nests as any other, and is told from a misspelt one."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.main import create_app
from app.settings import Settings
from app.store import open_store
from schemas.plans import Plan
from schemas.schedules import Exponential
from schemas.specs import KINDS, Lowered, Spec, schedule
from tests.app.schedules.trees import branches

Json = dict[str, Any]
DIALECTS = [model.example for kind, model in KINDS.items() if "." in kind]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('registry')}/lockstep.db")
    with TestClient(create_app(Settings(), store)) as client:
        yield client
    store.close()


@pytest.fixture
def halving() -> Iterator[type[Spec]]:
    """A kind that is defined for one test and gone after it."""

    class Halving(Lowered):
        """Half the value in every step.

        It has no end.
        """

        kind: Literal["house.Halving"]
        first: float
        """Value at step 0."""

        formula = "first / 2^t"
        source = "house.rules.{name}"
        aliases = ("half-life",)
        example = {"first": 8.0}  # noqa: RUF012 - Spec says that it is a class variable

        def lower(self) -> Spec:
            return Exponential(kind="exponential", start=self.first, rate=0.5)

    yield Halving
    del KINDS["house.Halving"]


def test_a_kind_is_there_by_being_defined_and_leaves_no_trace(request: pytest.FixtureRequest, http: TestClient) -> None:
    spec = {"kind": "house.Halving", "first": 8.0}
    body = {"schedule": {"kind": "scale", "factor": 10.0, "of": spec}, "steps": [0, 3]}

    def asked() -> tuple[Any, ...]:
        listed = {entry["kind"] for entry in http.get("/v1/schedules").json()["items"]}
        one, found = http.get("/v1/schedules/house.Halving"), http.get("/v1/schedules", params={"q": "half-life"})
        return http.post("/v1/schedules/evaluate", json=body), one, listed, found.json()["items"]

    evaluated, one, before, found = asked()
    assert (evaluated.status_code, one.status_code, found) == (422, 404, [])
    request.getfixturevalue("halving")
    evaluated, one, listed, found = asked()
    assert evaluated.json()["values"] == [80.0, 10.0]
    assert listed == before | {"house.Halving"}
    assert found == [one.json()]
    entry = one.json()
    assert (entry["summary"], entry["notes"]) == ("Half the value in every step.", "It has no end.")
    assert (entry["source"], entry["example"]) == ("house.rules.Halving", {"kind": "house.Halving", "first": 8.0})
    assert entry["parameters"]["properties"]["first"]["description"] == "Value at step 0."
    assert entry["values"][:2] == [[0, 8.0], [1, 4.0]]


def test_after_that_test_the_kind_is_gone(http: TestClient) -> None:
    assert "house.Halving" not in KINDS
    assert http.get("/v1/schedules/house.Halving").status_code == 404


def test_a_kind_twice_is_an_error(halving: type[Spec]) -> None:
    with pytest.raises(TypeError, match=r"Again is of kind 'house.Halving', which is Halving already"):

        class Again(Spec):
            kind: Literal["house.Halving"]

    assert KINDS["house.Halving"] is halving


def test_what_several_kinds_share_is_no_kind() -> None:
    before = dict(KINDS)

    class Common(Spec):
        peak: float

    assert before == KINDS
    assert Common not in KINDS.values()


nested = st.recursive(st.sampled_from(DIALECTS), branches, max_leaves=4)


@settings(deadline=None)
@given(nested)
def test_nested_dialects_keep_all_their_fields(data: Json) -> None:
    """Through a load, a dump and a load again, as a spec and as the track of a plan, in Python and in JSON."""
    spec = schedule(data)
    dumped = spec.to_json()
    assert schedule(dumped) == spec
    assert _subset(data, dumped)
    plan = Plan.model_validate({"tracks": {"lr": data}})
    assert Plan.model_validate_json(plan.model_dump_json(exclude_unset=True)).tracks["lr"] == spec


def _subset(given: Any, dumped: Any) -> bool:
    """Whether every field that was given stands in the dump, with its value."""
    if isinstance(given, dict):
        return set(given) <= set(dumped) and all(_subset(value, dumped[name]) for name, value in given.items())
    if isinstance(given, list | tuple):
        return len(given) == len(dumped) and all(_subset(a, b) for a, b in zip(given, dumped, strict=True))
    return bool(given == dumped)


@pytest.mark.parametrize(
    ("data", "place", "said"),
    [
        ({"kind": "rmap"}, ("kind",), "did you mean 'ramp'"),
        ({"kind": "StepLR"}, ("kind",), "'torch.StepLR'"),
        ({"kind": "torch.onecyclelr"}, ("kind",), "did you mean 'torch.OneCycleLR'"),
        ({"kind": "nothing like it at all"}, ("kind",), "there is no kind"),
        ({"kind": ["ramp"]}, ("kind",), "there is no kind"),
        ({"start": 1.0}, ("kind",), "required"),
        ({"kind": "scale", "factor": 2.0, "of": {"kind": "rmap"}}, ("of", "kind"), "'ramp'"),
        ({"kind": "scale", "factor": 2.0, "of": 3}, ("of",), "an object"),
        ({"kind": "sum", "of": [{"kind": "track", "of": "lr", "factor": 2.0}]}, ("of", 0), "the tracks of a plan only"),
    ],
    ids=str,
)
def test_what_is_no_kind_is_refused_at_its_place(data: Any, place: tuple[int | str, ...], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        schedule(data)
    (error,) = caught.value.errors()
    assert error["loc"] == place
    assert said in error["msg"]
    assert len(error["msg"]) < 200  # and lists no more than a few of them


@pytest.mark.parametrize(
    ("body", "pointer", "suggested"),
    [
        ({"schedule": {"kind": "torch.StepLR", "stepsize": 3}}, "/schedule/stepsize", "'step_size'"),
        (
            {"schedule": {"kind": "sum", "of": [{"kind": "timm.StepLRScheduler", "decayrate": 3}]}},
            "/schedule/of/0/decayrate",
            "'decay_rate'",
        ),
        (
            {"schedule": {"kind": "transformers.cosine", "scheduler_specific_kwargs": {"num_cycle": 1}}},
            "/schedule/scheduler_specific_kwargs/num_cycle",
            "'num_cycles'",
        ),
        (
            {"schedule": {"kind": "sequence", "phases": [{"shedule": {"kind": "constant", "value": 1.0}}]}},
            "/schedule/phases/0/shedule",
            "'schedule'",
        ),
        ({"plan": {"tracks": {}, "layerwise": {"factors": 0.5}}}, "/plan/layerwise/factors", "'factor'"),
        ({"plan": {"tracks": {"lr": {"kind": "track", "off": "lr"}}}}, "/plan/tracks/lr/off", "'of'"),
        ({"scedule": {"kind": "constant", "value": 1.0}}, "/scedule", "'schedule'"),
    ],
    ids=str,
)
def test_a_suggestion_is_a_field_of_this_very_object(
    http: TestClient, body: Json, pointer: str, suggested: str
) -> None:
    errors = http.post("/v1/schedules/evaluate", json={**body, "step": 0}).json()["errors"]
    (detail,) = [error["detail"] for error in errors if error["pointer"] == pointer]
    assert detail.endswith(f"did you mean {suggested}?")


def test_an_action_is_told_its_own_fields_not_those_of_the_schedule_of_that_name(http: TestClient) -> None:
    plan = {"tracks": {"lr": {"kind": "constant", "value": 1.0}}}
    assert http.post("/v1/runs", json={"run": "a", "plan": plan}).status_code == 201
    body = {"action": {"kind": "ramp", "too": 0.5, "steps": 10}}
    errors = http.post("/v1/runs/a/revisions", json=body).json()["errors"]
    assert {"pointer": "/action/too", "detail": "there is no field 'too' here; did you mean 'to'?"} in errors
