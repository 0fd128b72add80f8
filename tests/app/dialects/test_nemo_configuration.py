"""NeMo's YAML: the scheduler in `optim`, whose length the trainer says."""

from math import cos, pi

import pytest

from tests.app.dialects.checks import means, not_read

FILE = """
trainer:
  max_steps: 100
  devices: 8
model:
  hidden_size: 1024
  optim:
    name: distributed_fused_adam
    lr: 2.0e-4
    weight_decay: 0.01
    betas: [0.9, 0.98]
    sched:
      name: CosineAnnealing
      warmup_steps: 10
      constant_steps: 0
      min_lr: 2.0e-5
"""
RISE = {t: 2e-4 * (t + 1) / 11 for t in (0, 5, 10)}
FALL = {t: 2e-5 + 1.8e-4 * (1 + cos(pi * (t - 10) / 90)) / 2 for t in (11, 55, 100)}


def test_a_file() -> None:
    assert means(FILE, {**RISE, **FALL, 101: 2e-5})["library"] == "nemo"
    means(FILE.replace("max_steps: 100", "max_steps: -1"), FALL, total_steps=100)
    means(
        FILE.replace("      min_lr", "      max_steps: 100\n      min_lr").replace("max_steps: 100", "max_steps: 7", 1),
        FALL,
    )


def test_the_section_by_itself() -> None:
    optim = {"name": "adamw", "lr": 2e-4, "sched": {"name": "CosineAnnealing", "warmup_ratio": 0.1, "min_lr": 2e-5}}
    means({"optim": optim}, {**RISE, **FALL}, total_steps=100)
    means(optim, {**RISE, **FALL}, total_steps=100)


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ("CosineAnnealing", "CosinAnnealing", "/text/model/optim/sched/name", "did you mean 'CosineAnnealing'"),
        ("warmup_steps", "warmup_step", "/text/model/optim/sched/warmup_step", "line 14"),
        ("2.0e-5", "2e-5", "/text/model/optim/sched/min_lr", "number"),
        ("2.0e-4", "2e-4", "/text/model/optim/lr", "2.0e-4"),
        ("max_steps: 100", "max_epochs: 3", "/total_steps", "required"),
    ],
    ids=range(5),
)
def test_errors_are_at_the_field(old: str, new: str, pointer: str, said: str) -> None:
    not_read(FILE.replace(old, new), pointer, said)
