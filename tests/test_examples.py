"""The examples run as they stand, against a real service, and use exactly what was committed."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.campaigns import sampled
from tests.clients.waiting import until
from tests.processes import completed, started, torchrun
from tests.service import ROOT, Service, free_port

EXAMPLES = ROOT / "examples"
SECONDS = 200
pytestmark = pytest.mark.timeout(SECONDS + 60)


def environment(service: Service, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "LOCKSTEP_URL": service.url,
        "PYTHONPATH": str(ROOT / "clients"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "KERAS_BACKEND": "torch",
        **more,
    }


def commands(folder: Path, **scripts: str) -> str:
    """A PATH with torchrun, and with these scripts in place of what a cluster has."""
    for name, script in {"torchrun": f'exec {sys.executable} -m torch.distributed.run "$@"', **scripts}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def verified(service: Service, name: str, steps: int, workers: int = 1, *, gaps_before: int = 0) -> None:
    """All workers used the committed values in all steps, the last one perhaps unreported.

    Of a rank that was killed nobody knows what it used between its last report and the checkpoint at `gaps_before`.
    """
    found = httpx.get(f"{service.url}/v1/runs/{name}").json()
    assert [span for span in found["unverified"] if span[1] > gaps_before] == []
    items = httpx.get(f"{service.url}/v1/runs/{name}/workers").json()["items"]
    assert sorted(item["worker"] for item in items) == [f"rank-{rank}" for rank in range(workers)]
    assert min(item["verified_until"] for item in items) >= steps - 1, items


# On a machine without a GPU DeepSpeed would compile a C++ extension: minutes of it, and who is interrupted there leaves
# a lock for which every later process waits. It goes without where it is told that the extension cannot be compiled.
WITHOUT_COMPILING = """
import runpy, sys
import deepspeed
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

CASES: list[tuple[str, list[str], int, int, list[str]]] = [
    ("plain", [], 200, 1, []),
    ("torch", ["torch"], 400, 1, ["checkpoint.pt"]),
    ("transformers", ["transformers"], 64, 1, ["out"]),
    ("accelerate", ["accelerate"], 32, 1, []),
    ("lightning", ["lightning"], 40, 1, ["out"]),
    ("keras", ["keras", "torch"], 48, 1, []),
    ("optax", ["optax"], 100, 1, []),
    ("deepspeed", ["deepspeed"], 40, 2, ["out"]),
    ("paddle", ["paddle"], 60, 1, []),
    ("torchtitan", ["torchtitan"], 80, 1, []),
    ("nanogpt", ["torch"], 200, 1, []),
    ("imagenet", ["torch"], 90, 1, []),
    ("snapshots", ["torch"], 120, 2, ["snapshot.pt"]),
    ("gan", ["torch"], 60, 1, []),
    ("muon", ["torch"], 100, 1, []),
]
PUBLIC = ("nanogpt", "imagenet", "snapshots", "gan", "muon")  # what people have, in miniature


@pytest.mark.parametrize(
    ("name", "needs", "steps", "ranks", "arguments"), sampled(CASES, 5), ids=[case[0] for case in CASES]
)
def test_example(
    shared: Service, tmp_path: Path, name: str, needs: list[str], steps: int, ranks: int, arguments: list[str]
) -> None:
    """Five of them in an ordinary run: most of the time is that of importing their frameworks."""
    if missing := [need for need in needs if find_spec(need) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    script = str(EXAMPLES / f"train_{name}.py")
    if name == "deepspeed":
        (tmp_path / "start.py").write_text(WITHOUT_COMPILING)
        command = [*torchrun(ranks), "start.py", script]
    else:
        command = [*(torchrun(ranks) if ranks > 1 else [sys.executable]), script]
    completed([*command, *arguments], SECONDS, cwd=tmp_path, env=environment(shared))
    verified(shared, f"example-{name}", steps, ranks)


def test_every_example_is_short_and_runs() -> None:
    scripts = {path.stem.removeprefix("train_"): path.read_text() for path in EXAMPLES.glob("*.py")}
    assert set(scripts) == {case[0] for case in CASES} | {"ddp"}
    assert [name for name, text in scripts.items() if not 25 <= text.count("\n") <= 60] == []


def test_the_page_says_how_many_lines_each_public_script_took() -> None:
    page = (ROOT / "docs" / "frameworks" / "README.md").read_text()
    said = dict(re.findall(r"\(../../examples/train_(\w+)\.py\) \| (\d+) \|", page))
    marked = {name: (EXAMPLES / f"train_{name}.py").read_text().count("  # Lockstep") for name in PUBLIC}
    assert said == {name: str(count) for name, count in marked.items()}


@pytest.mark.distributed
def test_an_elastic_job_survives_the_death_of_a_rank(shared: Service, tmp_path: Path) -> None:
    """One of two ranks is killed after the first checkpoint; torchrun starts both again, and they go on from it."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    checkpoint = tmp_path / "checkpoint.pt"
    settings = {"STEPS": "1000", "CHECKPOINT": str(checkpoint), "RANKS_PER_NODE": "2", "PORT": str(free_port())}
    env = environment(shared, PATH=commands(tmp_path), **settings)
    with (tmp_path / "job.log").open("w+") as log:
        command = ["sh", "deploy/torchrun.sh"]
        with started(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT) as job:
            until(lambda: checkpoint.exists() or job.poll() is not None, SECONDS)
            psutil.Process(job.pid).children()[1].kill()
            status = job.wait(timeout=SECONDS)
    text = (tmp_path / "job.log").read_text()
    assert status == 0, text[-4000:]
    starts = [int(step) for step in re.findall(r"run example-ddp: from step (\d+)", text)]
    assert len(starts) == 2
    assert starts[0] == 0
    assert starts[1] >= 100
    verified(shared, "example-ddp", 1000, 2, gaps_before=starts[1])


class Slurm:
    """Stand-ins for Slurm's commands, which run the job here."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder, self.service = folder, service
        self.path = commands(folder, srun='exec "$@"', scontrol=f'echo "$@" >> {folder}/scontrol.log; echo localhost')

    def start(self, restarts: int, **more: str) -> AbstractContextManager["subprocess.Popen[str]"]:
        env = environment(
            self.service,
            PATH=self.path,
            SLURM_JOB_ID="4711",
            SLURM_JOB_NODELIST="localhost",
            SLURM_NNODES="1",
            SLURM_RESTART_COUNT=str(restarts),
            RANKS_PER_NODE="2",
            PORT=str(free_port()),
            CHECKPOINT=str(self.folder / "checkpoint.pt"),
            **more,
        )
        command = ["bash", "deploy/train.sbatch"]
        return started(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.long
@pytest.mark.distributed
def test_a_requeued_slurm_job_goes_on(shared: Service, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    slurm = Slurm(tmp_path, shared)
    for restarts, steps, begin in ((0, "200", 0), (1, "400", 200)):
        with slurm.start(restarts, STEPS=steps) as job:
            output, _ = job.communicate(timeout=SECONDS)
        assert f"run 4711: from step {begin}\n" in output
    verified(shared, "4711", 400, 2)


def test_slurm_is_asked_to_requeue_before_the_time_is_up(shared: Service, tmp_path: Path) -> None:
    slurm = Slurm(tmp_path, shared)
    commands(tmp_path, srun=f"touch {tmp_path}/started; exec sleep 60")
    with slurm.start(0) as job:
        until(lambda: (tmp_path / "started").exists())
        children = psutil.Process(job.pid).children()
        job.send_signal(signal.SIGUSR1)
        assert job.wait(timeout=SECONDS) == 0
        for child in children:
            child.kill()
    assert "requeue 4711" in (tmp_path / "scontrol.log").read_text()


def test_the_kubernetes_job_is_what_a_cluster_takes() -> None:
    yaml: Any = pytest.importorskip("yaml")
    validate: Any = pytest.importorskip("kubernetes_validate")
    documents = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes-job.yaml").read_text()))
    for document in documents:
        validate.validate(document, "1.31", strict=True)
    kinds = {document["kind"]: document for document in documents}
    job = kinds["Job"]["spec"]
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"]
    template = job["template"]
    assert template["spec"]["subdomain"] == kinds["Service"]["metadata"]["name"]
    assert template["metadata"]["labels"].items() >= kinds["Service"]["spec"]["selector"].items()
    container = template["spec"]["containers"][0]
    command = json.dumps(container["command"] + container.get("args", []))
    assert f"--nnodes={job['completions']}" in command
    assert (ROOT / "examples/train_ddp.py").name in command
    assert {entry["name"] for entry in container["env"]} >= {"LOCKSTEP_URL", "LOCKSTEP_RUN"}
