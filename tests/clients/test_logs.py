"""Logs say what the updates used, and never miss a switch."""

import io
from pathlib import Path
from typing import Any

import pytest

from lockstep import Follower
from lockstep.errors import Misused
from lockstep.follower import Reading
from lockstep.logs import Log, mlflow, progress, tensorboard, wandb, watch
from lockstep.testing import FakeService
from tests.clients.revised import STEPS, Revised

Entries = list[tuple[int, dict[str, float]]]


def into(entries: Entries) -> Any:
    return lambda step, entry: entries.append((step, entry))


def test_a_loop_logs_every_step_and_revision() -> None:
    job, entries = Revised(), Entries()
    log = Log(into(entries))
    with Follower(**job.options) as follower:
        for step in range(STEPS):
            log(step, follower.value(step))
            job.passed(step)
    assert entries == [
        (step, {"lockstep/lr": job.run.value(step), "lockstep/revision": revision, "lockstep/committed": 1.0})
        for step, revision in enumerate(job.run.in_force[:STEPS])
    ]


def test_now_and_then_but_always_at_a_switch() -> None:
    entries = Entries()
    log = Log(into(entries), every=10)
    for step in range(40):
        reason = "follow" if 25 <= step < 27 else "committed"
        log(step, Reading(0.1, reason, 1 if step < 13 else 2))
    assert [step for step, _ in entries] == [0, 10, 13, 20, 25, 27, 30]
    assert [step for step, entry in entries if not entry["lockstep/committed"]] == [25]


def test_every_counts_from_one() -> None:
    with pytest.raises(Misused, match="from 1 on; got 0"):
        Log(every=0)


@pytest.mark.parametrize(("total", "terminal"), [(None, False), (100, True)])
def test_the_progress_line(total: int | None, terminal: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    log = Log(progress(total, stream))
    log(7, Reading(0.000123456789, "committed", 3))
    log(8, Reading(0.5, "freeze", 3), {"lr/body": 0.5, "lr/head": 5.0})
    if terminal:
        assert stream.getvalue() == (
            "\r\x1b[Kstep 7/100  lr 0.000123457  revision 3"
            "\r\x1b[Kstep 8/100  lr/body 0.5  lr/head 5  revision 3  (the service is away)"
        )
    else:
        assert stream.getvalue() == (
            "step 7  lr 0.000123457  revision 3\nstep 8  lr/body 0.5  lr/head 5  revision 3  (the service is away)\n"
        )


class TestWatch:
    """The hook in PyTorch's optimizers."""

    def trained(self, service: FakeService, entries: Entries, steps: int) -> list[list[float]]:
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        from lockstep.torch import LockstepLR

        groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "name": name} for name in ("body", "head")]
        optimizer = torch.optim.SGD(groups, lr=0.5)
        scheduler = LockstepLR(optimizer, run="job", plan={"tracks": {}}, transport=service.transport)
        applied = []
        handle = watch(scheduler, Log(into(entries)))
        for step in range(steps):
            if step == 3:
                optimizer.param_groups[0]["lr"] = 0.7  # what was used, not what should have been
            optimizer.step()
            applied.append([group["lr"] for group in optimizer.param_groups])
            scheduler.step()
        handle.remove()
        optimizer.step()
        scheduler.close()
        return applied

    def test_it_logs_what_stands_in_the_optimizer(self) -> None:
        entries = Entries()
        service = FakeService({"lr": lambda step: 0.1 / (step + 1)}, derived={"head/lr": ("lr", 10.0)})
        applied = self.trained(service, entries, 6)
        assert [step for step, _ in entries] == list(range(6))
        assert [[entry["lockstep/lr/body"], entry["lockstep/lr/head"]] for _, entry in entries] == applied

    def test_groups_that_agree_are_one(self) -> None:
        entries = Entries()
        applied = self.trained(FakeService(0.25), entries, 3)
        assert [entry["lockstep/lr"] for _, entry in entries] == [rates[0] for rates in applied] == [0.25] * 3


READING = Reading(0.125, "committed", 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # inside of TensorBoard
def test_tensorboard_reads_it_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        Log(tensorboard(writer))(5, READING)
    events = EventAccumulator(str(tmp_path)).Reload()
    found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found == {"lockstep/lr": [(5, 0.125)], "lockstep/revision": [(5, 4.0)], "lockstep/committed": [(5, 1.0)]}


def test_weights_and_biases(tmp_path: Path) -> None:
    library = pytest.importorskip("wandb", reason="wandb is not installed")
    with library.init(mode="offline", dir=str(tmp_path), project="lockstep") as run:
        Log(wandb(run))(5, READING)
        summary = dict(run.summary)
    assert {name: summary[name] for name in ("lockstep/lr", "lockstep/revision", "lockstep/step")} == {
        "lockstep/lr": 0.125,
        "lockstep/revision": 4,
        "lockstep/step": 5,
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # inside of MLflow
def test_mlflow(tmp_path: Path) -> None:
    library = pytest.importorskip("mlflow", reason="mlflow is not installed")
    library.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with library.start_run() as run:
        Log(mlflow(library))(5, READING)
    history = library.MlflowClient().get_metric_history(run.info.run_id, "lockstep/lr")
    assert [(metric.step, metric.value) for metric in history] == [(5, 0.125)]
