"""Lightning's adapter: a step is an update, whatever the trainer accumulates, and a checkpoint keeps the place."""

import csv
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning", reason="lightning is not installed")

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from lockstep.lightning import configure
from tests.clients.revised import STEPS, Revised, torchrun
from tests.clients.wrappers import Lookahead

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),  # Lightning's use of torch
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty"),  # it is what the test resumes from
]


class Net(LightningModule):
    """One linear layer that follows the job's run and reads its optimizer at every update."""

    def __init__(self, job: Revised) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Linear(2, 1)
        self.job = job
        self.applied: list[float] = []

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        loss: torch.Tensor = self.layer(batch).square().mean()
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.5, momentum=0.9)
        optimizer.register_step_post_hook(self.made)
        return configure(optimizer, **self.job.options)

    def made(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.applied.append(optimizer.param_groups[0]["lr"])
        self.job.passed(self.trainer.global_step)

    def weights(self) -> list[float]:
        numbers: list[float] = torch.cat([p.detach().flatten() for p in self.parameters()]).tolist()
        return numbers


class Wrapped(Net):
    """The same with an optimizer around another: a trainer steps the outer one, where PyTorch runs no hooks."""

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.5, momentum=0.9)
        optimizer.register_step_post_hook(self.made)
        return configure(Lookahead(optimizer), **self.job.options)


class Manual(Net):
    """The same with an optimization loop of its own."""

    def __init__(self, job: Revised) -> None:
        super().__init__(job)
        self.automatic_optimization = False

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        optimizer: Any = self.optimizers()
        loss = super().training_step(batch, index)
        self.manual_backward(loss)
        if index % 2 == 1:
            optimizer.step()
            optimizer.zero_grad()
        scheduler: Any = self.lr_schedulers()
        scheduler.step()
        return loss


def train(net: Net, folder: Path, **settings: Any) -> Trainer:
    arguments: dict[str, Any] = {
        "max_steps": STEPS,
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": folder,
    }
    resume = settings.pop("resume", None)
    trainer = Trainer(**arguments | settings)
    data = [torch.tensor([float(i % 3), 1.0]) for i in range(46)]
    trainer.fit(net, torch.utils.data.DataLoader(data, batch_size=2), ckpt_path=resume)  # type: ignore[arg-type]
    for config in trainer.lr_scheduler_configs:
        config.scheduler.close()
    return trainer


@pytest.mark.parametrize(("kind", "accumulation"), [(Net, 1), (Net, 3), (Wrapped, 1), (Manual, 1)])
def test_applied_rates_are_the_committed_ones(tmp_path: Path, kind: type[Net], accumulation: int) -> None:
    """23 batches per epoch: an epoch's end cuts an accumulation short."""
    job = Revised()
    net = kind(job)
    train(net, tmp_path, accumulate_grad_batches=accumulation)
    job.check(net.applied)


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    job = Revised()
    whole, resumed = Net(job), Net(job)
    for net, resume in ((whole, None), (resumed, tmp_path / "step=23.ckpt")):
        keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=23, save_top_k=-1)
        train(net, tmp_path, enable_checkpointing=True, callbacks=[keep], resume=resume)
    assert resumed.applied == whole.applied[23:] == job.committed(23)
    assert resumed.weights() == whole.weights()
    assert job.run.unverified == []


@pytest.mark.parametrize("resume", [None, "auto"])
def test_a_second_fit_in_one_process_reports_what_it_ran(
    tmp_path: Path, resume: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    job = Revised()
    job.options |= {} if resume is None else {"resume": resume}
    net = Net(job)
    train(net, tmp_path, max_steps=20)
    train(net, tmp_path, max_steps=10)
    again = job.committed(20, 30) if resume else job.committed(0, 10)
    assert net.applied == job.committed(0, 20) + again
    assert ("begins at step 0 again" in caplog.text) == (resume is None)
    assert job.run.unverified == []


def test_the_monitor_logs_the_applied_rates(tmp_path: Path) -> None:
    job = Revised()
    net = Net(job)
    logger = CSVLogger(tmp_path, name="", version="")
    monitor: Callback = LearningRateMonitor(logging_interval="step")
    train(net, tmp_path, logger=logger, log_every_n_steps=1, callbacks=[monitor])
    with (tmp_path / "metrics.csv").open() as file:
        assert [float(row["lockstep"]) for row in csv.DictReader(file)] == net.applied


@pytest.mark.distributed
@pytest.mark.timeout(300)
def test_two_ranks_use_the_same_rates(tmp_path: Path) -> None:
    job = Revised()
    with job.service.serve() as url:
        ranks = torchrun("lightning_ddp.py", tmp_path, url)
    assert ranks[0] == ranks[1]
    job.check(ranks[0]["applied"], workers=2)
