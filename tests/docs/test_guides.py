"""The guides do what they say: every block of them runs, as it stands, and prints what the page says it prints."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.identity import ROLES
from app.schedules import compile_plan, resolve
from app.settings import Settings
from schemas.plans import Plan
from tests.docs.guide import blocks, follow
from tests.service import ROOT, Service, running

DOCS = ROOT / "docs"
ANSWERS = (  # what the tour shows of answers that are the same every time
    '{"steps":[0,5,10,100],"values":[0.0,0.05,0.1,0.0],"dtype":"float64","warnings":[{"code":"starts-at-zero",'
    '"detail":"the first update has rate 0 and changes nothing; start a little above 0","pointer":"/schedule"}]}',
    '{"steps":[0,29,30,60],"values":[0.1,0.1,0.05,0.025],"dtype":"float64","warnings":[]}',
    """"errors": [{"pointer": "/action/factr", "detail": "there is no field 'factr' here; did you mean 'factor'?"}]""",
)


@pytest.mark.distributed
@pytest.mark.timeout(180)
def test_the_tour_works_as_it_stands(tmp_path: Path, shared: Service) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    text = (DOCS / "tour.md").read_text()
    output = follow(text, tmp_path, shared)
    run = httpx.get(f"{shared.url}/v1/runs/tour").json()
    workers = httpx.get(f"{shared.url}/v1/runs/tour/workers").json()["items"]
    history = httpx.get(f"{shared.url}/v1/runs/tour/revisions").json()["items"]
    for answer in ANSWERS:
        assert answer in text
        assert answer in output
    assert [revision["action"]["kind"] for revision in history] == ["create", "scale"]
    assert [worker["verified_until"] for worker in workers] == [1000]
    assert run["unverified"] == []


@pytest.mark.timeout(180)
def test_a_job_of_pytorch_is_adopted_at_its_step_and_rate(tmp_path: Path, shared: Service) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    follow((DOCS / "adopt.md").read_text(), tmp_path, shared)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2000)
    rates = []
    for _ in range(2000):
        optimizer.step()
        rates.append(theirs.get_last_lr()[0])
        theirs.step()
    run = httpx.get(f"{shared.url}/v1/runs/adopted").json()
    values = httpx.get(f"{shared.url}/v1/runs/adopted/values", params={"start": 500, "stop": 2000}).json()
    assert (run["start_step"], run["unverified"], values["committed_until"]) == (500, [], min(2000, run["horizon"]))
    assert values["values"]["lr"] == pytest.approx(rates[500:], rel=1e-12)


@pytest.mark.timeout(120)
def test_a_run_goes_on_after_its_end(tmp_path: Path, shared: Service) -> None:
    """Stretched at 100 of 300 to 600: the rest, 200 steps of the curve, takes 500."""
    follow((DOCS / "after-the-end.md").read_text(), tmp_path, shared)
    (_, stretched) = httpx.get(f"{shared.url}/v1/runs/longer/revisions").json()["items"]
    since = stretched["from_step"]
    got = httpx.get(f"{shared.url}/v1/runs/longer/values", params={"start": 0, "stop": 601}).json()["values"]["lr"]
    line = [0.3 * (1 - step / 300) for step in range(since)]
    rest = [line[-1] - 0.001 - (step - since) * (0.3 * (1 - since / 300)) / (600 - since) for step in range(since, 601)]
    assert got == pytest.approx(line + rest, abs=1e-12)


def test_every_schedule_that_is_recommended_gives_values() -> None:
    text = (DOCS / "which-schedule.md").read_text()
    specs = [json.loads(spec) for spec in re.findall(r"`(\{\"kind\".*?\})`", text)]
    assert len(specs) >= 14
    for spec in specs:
        tracks = {"lr": {"kind": "constant", "value": 0.1}, "x": spec}
        plan = resolve(Plan.model_validate({"tracks": tracks, "total_steps": 1000, "steps_per_epoch": 10}))
        assert min(compile_plan(plan).values("x", 0, 1000)) >= 0.0, spec


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), target
            headings = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in _headings(file)] if anchor else []
            assert not anchor or anchor in headings, target


def _headings(page: Path) -> list[str]:
    return re.findall(r"^##+ (.+)$", page.read_text(), re.MULTILINE)


def test_every_guide_with_code_is_followed_by_a_test() -> None:
    followed = {"access.md", "cli.md", "tour.md", "adopt.md", "after-the-end.md"}
    assert {page.name for page in DOCS.glob("*.md") if blocks(page.read_text())} == followed


def test_the_page_on_access_does_what_it_says(tmp_path: Path) -> None:
    """On a service of its own, which asks for a token afterwards."""
    text = (DOCS / "access.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(ROLES)
    with running(tmp_path) as guarded:
        follow(text, tmp_path, guarded)
        assert httpx.get(f"{guarded.url}/v1/runs").status_code == 401


def test_the_page_on_the_command_does_what_it_says(tmp_path: Path, shared: Service) -> None:
    if not (Path(sys.executable).parent / "lockstep").exists():
        pytest.skip("the command `lockstep` is not installed")
    follow((DOCS / "cli.md").read_text(), tmp_path, shared)


def test_the_page_on_operating_names_every_setting() -> None:
    asked: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return default

    Settings.from_environment(Environment())
    page = (DOCS / "operating.md").read_text()
    assert set(re.findall(r"^\| `(LOCKSTEP_\w+)`", page, re.MULTILINE)) == asked
