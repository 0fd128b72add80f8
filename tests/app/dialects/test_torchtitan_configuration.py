"""torchtitan's TOML: its three sections, its defaults, and the names of earlier releases."""

import pytest

from tests.app.dialects.checks import means, not_read

FILE = """
[optimizer]
name = "AdamW"
lr = 3e-4

[lr_scheduler]
warmup_steps = 10
decay_ratio = 0.2
decay_type = "linear"
min_lr_factor = 0.1

[training]
local_batch_size = 8
steps = 100
"""
STABLE = {0: 3e-5, 9: 3e-4, 50: 3e-4, 80: 3e-4}
FALL = {t: 3e-4 * (0.1 + 0.9 * (1 - (t - 80) / 20)) for t in (81, 90, 99)}


def test_a_file() -> None:
    assert means(FILE, {**STABLE, **FALL})["library"] == "torchtitan"
    means(FILE.replace("min_lr_factor", "lr_min"), FALL)
    means(FILE.replace("decay_ratio = 0.2\n", ""), {10: 3e-4, 55: 3e-4 * (0.1 + 0.9 * 0.5)})


def test_what_is_left_out_is_the_default_of_the_job() -> None:
    means("[lr_scheduler]\ndecay_ratio = 0.1\n", {0: 8e-4 / 200, 199: 8e-4, 9000: 8e-4, 9500: 4e-4})


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ("decay_type", "decay_typ", "/text/lr_scheduler/decay_typ", "did you mean 'decay_type'"),
        ('"linear"', '"lin"', "/text/lr_scheduler/decay_type", "line 9"),
        ("steps = 100", "steps = 100\nwarmup_steps = 3", "/text/training/warmup_steps", "`lr_scheduler`"),
        ("lr = 3e-4", 'lr = "3e-4"', "/text/optimizer/lr", "a text"),
    ],
    ids=range(4),
)
def test_errors_are_at_the_field(old: str, new: str, pointer: str, said: str) -> None:
    not_read(FILE.replace(old, new), pointer, said)
