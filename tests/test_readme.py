"""The README does what it says: its lines run, its commands exist, its links lead somewhere."""

import re
import tomllib
from typing import Any

import pytest

from lockstep.testing import FakeService
from tests.docs.guide import blocks
from tests.service import ROOT

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_three_lines_are_all_there_is_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """They run in a loop as readers have it, and every update uses the run's rate."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import lockstep.torch

    (code,) = [code for language, code in blocks(README) if language == "python"]
    assert [line.rpartition("# ")[2][:1] for line in code.splitlines() if re.search(r"# \d", line)] == ["1", "2", "3"]
    service = FakeService(lambda step: 0.1 / (step + 1), lead=64)
    real = lockstep.torch.LockstepLR
    monkeypatch.setattr(
        lockstep.torch, "LockstepLR", lambda *given, **named: real(*given, **named, transport=service.transport)
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    used: list[Any] = []
    optimizer.register_step_post_hook(lambda made, *_: used.append(made.param_groups[0]["lr"]))
    names: dict[str, Any] = {
        "optimizer": optimizer,
        "plan": {"tracks": {}},
        "batches": range(20),
        "train": lambda batch: None,
    }
    exec(code, names)
    names["scheduler"].close()
    assert used == [0.1 / (step + 1) for step in range(20)]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README + CONTRIBUTING):
        if not target.startswith("http"):
            assert (ROOT / target.split("#")[0]).exists(), target


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", README + CONTRIBUTING))
    assert named - targets == set()


def test_the_wheels_to_install_are_those_that_are_built() -> None:
    for project in ("pyproject.toml", "clients/pyproject.toml"):
        described = tomllib.loads((ROOT / project).read_text())["project"]
        name = described["name"].replace("-", "_")
        assert f"dist/{name}-{described['version']}-py3-none-any.whl" in README
