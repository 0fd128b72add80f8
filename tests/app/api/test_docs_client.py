"""A client that a public generator makes of our document: all of the API, and it drives a run."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.main import openapi
from tests.service import running

NAME = "generated_lockstep"
CONFIG = {
    "post_hooks": [],  # it would format what it writes
    "content_type_overrides": dict.fromkeys(("image/svg+xml", "image/png"), "application/octet-stream"),
}
PLAN = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}}}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the client's package, importable, made without a warning."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(openapi())
    (folder / "config.json").write_text(json.dumps(CONFIG))
    command = ["generate", "--path", "openapi.json", "--config", "config.json", "--output-path", NAME, "--meta", "none"]
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *command, "--fail-on-warning"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield folder / NAME
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def model(name: str, **fields: Any) -> Any:
    return getattr(importlib.import_module(f"{NAME}.models"), name).from_dict(fields)


def test_it_has_every_operation_and_model_once(generated: Path) -> None:
    document = json.loads(openapi())
    operations = [
        (operation["tags"][0], operation["operationId"])
        for item in document["paths"].values()
        for operation in item.values()
    ]
    assert len(set(operations)) == len(operations)
    made = [path for path in generated.glob("api/*/*.py") if path.stem != "__init__"]
    assert {(path.parent.name, path.stem.rstrip("_")) for path in made} == set(operations)
    for path in made:
        importlib.import_module(f"{NAME}.api.{path.parent.name}.{path.stem}")
    titles = [schema.get("title", name) for name, schema in document["components"]["schemas"].items()]
    assert len(set(titles)) == len(titles)


def test_it_drives_a_run(generated: Path, tmp_path: Path) -> None:
    assert generated.is_dir()
    with running(tmp_path) as service, importlib.import_module(NAME).Client(service.url) as client:

        def call(name: str, *path: Any, **more: Any) -> Any:
            return importlib.import_module(f"{NAME}.api.{name}").sync(*path, client=client, **more)

        made = call("runs.create", body=model("RunCreate", run="a", plan=PLAN, labels={"team": "x"}))
        assert (made.horizon, made.status) == (0, "active")
        first = call("runs.window", "a", body=model("WindowRequest", worker="rank-0", step=0))
        assert first.values.to_dict() == {"lr": [1 - step / 1000 for step in range(8)]}
        half = model("RevisionCreate", action={"kind": "scale", "factor": 0.5}, reason="the loss is noisy")
        assert call("runs.preview", "a", body=half).from_step == 8
        revised = call("runs.revise", "a", body=half, if_match='"1"', idempotency_key="k")
        assert (revised.number, revised.from_step, revised.action.factor) == (2, 8, 0.5)
        asked = {"worker": "rank-0", "step": 8, "uid": first.uid, "attempt": 1}
        second = call("runs.window", "a", body=model("WindowRequest", **asked))
        assert second.values.to_dict() == {"lr": [(1 - step / 1000) * 0.5 for step in range(8, second.stop)]}
        refused = call("runs.revise", "a", body=model("RevisionCreate", action={"kind": "hold"}, from_step=3))
        assert refused.type_ == "urn:lockstep:problem:below-horizon"
        assert refused.additional_properties["earliest_step"] == second.horizon
        assert [item.number for item in call("runs.history", "a", plan=True).items] == [1, 2]
        assert call("runs.revision", "a", 2).plan.tracks.to_dict()["lr"]["kind"] == "scale"
        assert call("runs.curve", "a", start=0, stop=2).values.to_dict() == {"lr": [1.0, 0.999]}
        assert [item.worker for item in call("runs.workers", "a").items] == ["rank-0"]
        assert call("runs.rewind", "a", body=model("RewindCreate", to_step=4)).dropped == [2]
        assert call("runs.patch", "a", body=model("RunPatch", labels={"team": "y"})).labels.to_dict() == {"team": "y"}
        assert [item.run for item in call("runs.find", label=["team=y"], limit=1).items] == ["a"]
        assert call("runs.finish", "a").status == "finished"
        assert call("schedules.kind", "ramp").kind == "ramp"
        assert call("schedules.evaluate", body=model("Evaluate", schedule=PLAN["tracks"]["lr"], step=500)).value == 0.5
