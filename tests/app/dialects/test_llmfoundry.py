"""llm-foundry: its inverse square root by its own rule, and its YAML with Composer's times."""

from math import cos, pi, sqrt

import pytest

from tests.app.dialects.checks import gives, means, not_read, refused

NAME = "llmfoundry.InverseSquareRootWithWarmupScheduler"
ROOT = {"kind": NAME, "t_warmup": "10ba", "t_scale": "20ba", "t_cooldown": "30ba", "max_duration": "100ba"}


def rule(step: int, decay: float, cooldown: float) -> float:
    """The scheduler's `__call__` for a warm-up of 10, a scale of 20 and a cooldown of 30 in 100 batches."""
    if step < 10:
        return step / 10
    if step < 70:
        return decay + (1 - decay) / sqrt((step + 10) / 20)
    start = decay + (1 - decay) / sqrt((70 + 10) / 20)
    return start + min(1.0, (step - 70) / 30) * (cooldown - start)


@pytest.mark.parametrize(("decay", "cooldown"), [(0.0, 0.0), (0.2, 0.1)])
def test_the_inverse_square_root(decay: float, cooldown: float) -> None:
    spec = {**ROOT, "base_lr": 2.0, "alpha_f_decay": decay, "alpha_f_cooldown": cooldown}
    gives(spec, {step: 2 * rule(step, decay, cooldown) for step in range(120)})
    gives({**spec, "t_cooldown": "0ba"}, {99: 2 * (decay + (1 - decay) / sqrt(109 / 20))})
    held = decay + (1 - decay) / sqrt(110 / 20)
    gives({**spec, "t_cooldown": "0ba"}, {100: 2 * held, 300: 2 * held})


def test_refusals_name_the_parameter() -> None:
    refused({**ROOT, "base_lr": 1.0, "t_scale": "0.1dur"}, "t_scale")
    refused({**ROOT, "base_lr": 1.0, "alpha_f_cooldown": 0.5}, "alpha_f_cooldown")


FILE = """
max_seq_len: 2048
global_train_batch_size: 512
optimizer:
  name: decoupled_adamw
  lr: 6.0e-4
  betas: [0.9, 0.95]
  weight_decay: 0.0
scheduler:
  name: cosine_with_warmup
  t_warmup: 10ba
  alpha_f: 0.1
max_duration: 100ba
eval_interval: 500ba
"""


def test_a_file() -> None:
    fall = {t: 6e-4 * (0.1 + 0.9 * (1 + cos(pi * (t - 10) / 90)) / 2) for t in (10, 55, 99, 100)}
    assert means(FILE, {0: 0.0, 5: 3e-4, **fall})["library"] == "llmfoundry"


TIMES = "t_warmup: 10ba\n  alpha_f: 0.1\nmax_duration: 100ba"


@pytest.mark.parametrize(
    ("warmup", "duration", "expected"),
    [
        ("0.1dur", "100ba", {5: 3e-4, 10: 6e-4, 55: 3.3e-4}),
        ("10485760tok", "104857600tok", {55: 3.3e-4}),
        ("5120sp", "51200sp", {55: 3.3e-4}),
        ("1ep", "10ep", {5: 3e-4, 55: 3.3e-4}),
        ("1ep", "10", {5: 3e-4, 55: 3.3e-4}),
    ],
)
def test_times_in_every_unit(warmup: str, duration: str, expected: dict[int, float]) -> None:
    assert TIMES in FILE
    times = TIMES.replace("10ba", warmup, 1).replace("100ba", duration)
    means(FILE.replace(TIMES, times), expected, steps_per_epoch=10)


def test_the_other_schedulers() -> None:
    means(FILE.replace("cosine_with", "linear_decay_with"), {10: 6e-4, 55: 3.3e-4, 100: 6e-5})
    means(FILE.replace("cosine_with", "constant_with").replace("alpha_f", "alpha"), {5: 3e-5, 50: 6e-5})
    root = FILE.replace("cosine_with", "inv_sqrt_with").replace("alpha_f: 0.1", "t_scale: 20ba\n  t_cooldown: 30ba")
    means(root, {step: 6e-4 * rule(step, 0.0, 0.0) for step in (0, 5, 10, 69, 70, 99)})


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ("cosine_with_warmup", "cosine_with_warmpu", "/text/scheduler/name", "did you mean 'cosine_with_warmup'"),
        ("alpha_f:", "alpha_ff:", "/text/scheduler/alpha_ff", "line 12"),
        ("t_warmup: 10ba", "t_warmup: ${variables.warmup}", "/text/scheduler/t_warmup", "fill it in"),
        ("t_warmup: 10ba", "t_warmup: 10", "/text/scheduler/t_warmup", "string"),
        ("lr: 6.0e-4", "lr: 6e-4", "/text/optimizer/lr", "6.0e-4"),
    ],
    ids=range(5),
)
def test_errors_are_at_the_field(old: str, new: str, pointer: str, said: str) -> None:
    not_read(FILE.replace(old, new), pointer, said)


def test_tokens_need_the_length_of_a_sequence() -> None:
    tokens = FILE.replace("max_duration: 100ba", "max_duration: 104857600tok").replace("10ba", "10485760tok")
    not_read(tokens.replace("max_seq_len", "seq_len"), "/text/max_seq_len", "missing")
