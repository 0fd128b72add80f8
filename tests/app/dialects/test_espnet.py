"""ESPnet's warm-up by its source, and what is refused."""

import pytest

from tests.app.dialects.checks import means, not_read

FILE = """
optim: adam
optim_conf:
    lr: 0.002
    weight_decay: 0.000001
scheduler: warmuplr
scheduler_conf:
    warmup_steps: 15000
max_epoch: 50
accum_grad: 4
"""


def rule(step: int, warmup: int) -> float:
    return float(0.002 * warmup**0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5))


def test_values() -> None:
    steps = (0, 1, 7499, 14_999, 15_000, 60_000)
    assert means(FILE, {step: rule(step, 15_000) for step in steps})["library"] == "espnet"
    means(FILE.replace("warmup_steps: 15000", "{}"), {step: rule(step, 25_000) for step in steps})


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ("warmuplr", "cosineannealinglr", "/text/scheduler", "`warmuplr`"),
        ("warmup_steps", "warmup", "/text/scheduler_conf/warmup", "did you mean 'warmup_steps'"),
        ("15000", "0", "/text/scheduler_conf", "above 0"),
        ("lr: 0.002", "lr: 2e-3", "/text/optim_conf/lr", "2.0e-3"),
    ],
)
def test_errors_are_at_the_field(old: str, new: str, pointer: str, said: str) -> None:
    not_read(FILE.replace(old, new), pointer, said)
