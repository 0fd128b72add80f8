"""The Trainer's adapter: what is logged, saved and resumed is what the updates used."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from lockstep.errors import Misused
from lockstep.torch import LockstepLR
from lockstep.transformers import follow
from tests.clients.revised import PLAN, STEPS, Revised, torchrun
from tests.clients.waiting import lockstep_threads


class Net(torch.nn.Module):
    """One linear layer, with its loss."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.layer(x) - labels).square().mean()}


class Watch(TrainerCallback):
    """Reads the optimizer when an update was made, and tells the controller."""

    def __init__(self, job: Revised) -> None:
        self.job = job
        self.applied: list[float] = []

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.applied.append(kwargs["optimizer"].param_groups[0]["lr"])
        self.job.passed(state.global_step)


def make(folder: Path, job: Revised, kind: type[Net] = Net, **settings: Any) -> tuple[Trainer, Watch]:
    arguments = {
        "output_dir": str(folder),
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "optim": "sgd",
        "dataloader_pin_memory": False,
    } | settings
    data = [{"x": torch.tensor([float(i % 3), 1.0]), "labels": torch.tensor([0.5])} for i in range(64)]
    watch = Watch(job)
    return Trainer(kind(), TrainingArguments(**arguments), train_dataset=data, callbacks=[watch]), watch


def weights(trainer: Trainer) -> list[float]:
    assert trainer.model is not None
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()]).tolist()


def test_the_logged_rate_is_the_applied_one_through_three_revisions(tmp_path: Path) -> None:
    job = Revised()
    trainer, watch = make(tmp_path, job)
    follow(trainer, **job.options)
    trainer.train()
    job.check(watch.applied)
    logs = [entry for entry in trainer.state.log_history if "learning_rate" in entry]
    assert [entry["learning_rate"] for entry in logs] == watch.applied
    assert [entry["lockstep_revision"] for entry in logs] == job.run.in_force[:STEPS]
    assert isinstance(trainer.lr_scheduler, LockstepLR)
    assert lockstep_threads() == []


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    job = Revised()
    whole, watch = make(tmp_path / "whole", job, save_strategy="steps", save_steps=25)
    follow(whole, **job.options)
    whole.train()
    resumed, again = make(tmp_path / "resumed", job)
    follow(resumed, **job.options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-25"))
    assert again.applied == watch.applied[25:] == job.committed(25)
    assert weights(resumed) == weights(whole)
    assert job.run.unverified == []


def test_a_plan_may_depend_on_the_number_of_updates(tmp_path: Path) -> None:
    job = Revised()
    trainer, _ = make(tmp_path, job, max_steps=3)
    follow(trainer, **job.options | {"plan": lambda updates: {"total_steps": updates}})
    trainer.train()
    assert job.run.plan == {"total_steps": 3}


def by_updates(updates: int) -> dict[str, Any]:
    return PLAN | {"total_steps": updates}


def test_more_epochs_on_resume_are_a_revision(tmp_path: Path) -> None:
    job = Revised()
    options = job.options | {"plan": by_updates, "if_exists": "replace"}
    first, watch = make(tmp_path / "first", job, max_steps=20, save_strategy="steps", save_steps=20)
    follow(first, **options)
    first.train()
    longer, again = make(tmp_path / "longer", job, max_steps=40)
    follow(longer, **options)
    longer.train(resume_from_checkpoint=str(tmp_path / "first" / "checkpoint-20"))
    assert watch.applied + again.applied == job.committed(0, 40)
    assert job.run.plan["total_steps"] == 40
    assert job.run.unverified == []


def test_a_batch_that_does_not_fit_is_halved_and_the_plan_is_made_anew(tmp_path: Path) -> None:
    class Small(Net):
        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            if len(x) > 2:
                raise RuntimeError("CUDA out of memory.")
            return super().forward(x, labels)

    job = Revised()
    settings = {"auto_find_batch_size": True, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1}
    trainer, watch = make(tmp_path, job, Small, max_steps=-1, num_train_epochs=1, **settings)
    follow(trainer, **job.options | {"plan": by_updates, "if_exists": "replace"})
    trainer.train()
    assert watch.applied == job.committed(0, 32)
    assert (job.run.plan["total_steps"], job.run.unverified) == (32, [])


def test_training_twice_follows_the_run_twice(tmp_path: Path) -> None:
    job = Revised()
    trainer, watch = make(tmp_path, job, max_steps=4)
    follow(trainer, **job.options)
    trainer.train()
    trainer.train()
    assert watch.applied == job.committed(0, 4) * 2


def test_a_trainer_that_has_a_scheduler_is_refused(tmp_path: Path) -> None:
    trainer, _ = make(tmp_path, Revised())
    assert trainer.model is not None
    optimizer = torch.optim.SGD(trainer.model.parameters())
    trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    with pytest.raises(Misused, match="has a scheduler"):
        follow(trainer, run="job")


@pytest.mark.distributed
@pytest.mark.timeout(300)
def test_two_ranks_use_the_same_rates(tmp_path: Path) -> None:
    job = Revised()
    with job.service.serve() as url:
        ranks = torchrun("trainer.py", tmp_path, url)
    assert ranks[0] == ranks[1]
    job.check(ranks[0]["applied"], workers=2)
