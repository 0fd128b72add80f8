"""The README does what it says: its tour runs, block by block, in an empty folder against a real service."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.processes import completed
from tests.service import ROOT, running

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = (  # what the README shows of answers that are the same every time
    '{"steps":[0,5,10,100],"values":[0.0,0.05,0.1,0.0],"dtype":"float64"}',
    '{"steps":[0,29,30,60],"values":[0.1,0.1,0.05,0.025],"dtype":"float64"}',
    """"errors": [{"pointer": "/action/factr", "detail": "there is no field 'factr' here; did you mean 'factor'?"}]""",
)


@pytest.mark.distributed
@pytest.mark.timeout(180)
def test_the_tour_works_as_it_stands(tmp_path: Path) -> None:
    """bash blocks run in one shell, in order; the python block is the file that the text says to save."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    blocks = BLOCK.findall(README)
    [(tmp_path / "train.py").write_text(text) for kind, text in blocks if kind == "python"]
    data = tmp_path / "service"
    data.mkdir()
    with running(data) as service:
        script = "\n".join(["set -eu", *(text for kind, text in blocks if kind == "bash")])
        script = script.replace("http://127.0.0.1:8000", service.url)
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        output = completed(["bash", "-c", script], 170, cwd=tmp_path, env=environment)
        run = httpx.get(f"{service.url}/v1/runs/tour").json()
        workers = httpx.get(f"{service.url}/v1/runs/tour/workers").json()["items"]
        history = httpx.get(f"{service.url}/v1/runs/tour/revisions").json()["items"]
    for answer in ANSWERS:
        assert answer in README
        assert answer in output
    assert [revision["action"]["kind"] for revision in history] == ["create", "scale"]
    assert [worker["verified_until"] for worker in workers] == [1000]
    assert run["unverified"] == []


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README + (ROOT / "CONTRIBUTING.md").read_text()):
        if not target.startswith("http"):
            assert (ROOT / target.split("#")[0]).exists(), target


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    assert named - targets == set()


def test_the_picture_is_what_the_engine_draws() -> None:
    drawn = subprocess.run(
        [sys.executable, "-c", "from docs.picture import draw; print(draw(), end='')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert drawn.stdout == (ROOT / "docs" / "switch.svg").read_text()
