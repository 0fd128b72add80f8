"""TrainingArguments: alone and with DeepSpeed's configuration, as the Trainer resolves the two."""

from typing import Any

import pytest

from tests.app.dialects.checks import codes, means, not_read, read

Json = dict[str, Any]
ARGUMENTS: Json = {"learning_rate": 2e-5, "lr_scheduler_type": "cosine", "max_steps": 1000, "warmup_steps": 100}
AUTO: Json = {
    "train_batch_size": "auto",
    "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto", "weight_decay": "auto"}},
    "scheduler": {
        "type": "WarmupDecayLR",
        "params": {
            "total_num_steps": "auto",
            "warmup_min_lr": "auto",
            "warmup_max_lr": "auto",
            "warmup_num_steps": "auto",
            "warmup_type": "linear",
        },
    },
    "zero_optimization": {"stage": 2},
}
DECAYING = {0: 0.0, 1: 0.0, 51: 1e-5, 101: 2e-5, 551: 1e-5, 1001: 0.0}


def test_deepspeeds_scheduler_takes_the_place_of_the_trainers() -> None:
    answer = means({**ARGUMENTS, "deepspeed": AUTO}, DECAYING)
    assert answer["schedule"]["kind"] == "deepspeed.WarmupDecayLR"
    assert means(ARGUMENTS, DECAYING, deepspeed=AUTO)["library"] == "transformers"
    told = {note["pointer"] for note in answer["read"]}
    assert {"/config/deepspeed/scheduler/params/total_num_steps", "/config/lr_scheduler_type"} <= told


def test_auto_is_worked_out_from_the_run_as_the_trainer_does() -> None:
    arguments = {"learning_rate": 2e-5, "warmup_ratio": 0.1, "num_train_epochs": 2.5, "per_device_train_batch_size": 4}
    means(arguments, DECAYING, deepspeed=AUTO, steps_per_epoch=400)
    not_read(arguments, "/total_steps", "depends on the data", deepspeed=AUTO)


def test_without_a_scheduler_of_deepspeed_the_trainers_own_is_used() -> None:
    plain = {"zero_optimization": {"stage": 3}, "optimizer": {"type": "AdamW", "params": {"lr": 2e-5}}}
    answer = means(ARGUMENTS, {50: 1e-5, 100: 2e-5, 550: 1e-5}, deepspeed=plain)
    assert answer["schedule"]["kind"] == "transformers.cosine"


@pytest.mark.parametrize(
    ("deepspeed", "pointer", "said"),
    [
        ({"optimizer": {"params": {"lr": 1e-4}}}, "/deepspeed/optimizer/params/lr", "the Trainer stops"),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": 3e-5}}},
            "/deepspeed/scheduler/params/warmup_max_lr",
            "`learning_rate`",
        ),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 7}}},
            "/deepspeed/scheduler/params/warmup_num_steps",
            "100 by `warmup_steps`",
        ),
        ({"scheduler": {"type": "WarmpLR"}}, "/deepspeed/scheduler/type", "did you mean 'WarmupLR'"),
    ],
)
def test_what_the_two_say_otherwise_is_refused(deepspeed: Json, pointer: str, said: str) -> None:
    not_read(ARGUMENTS, pointer, said, deepspeed=deepspeed)


def test_a_file_that_is_only_named_is_asked_for() -> None:
    not_read({**ARGUMENTS, "deepspeed": "ds_config.json"}, "/config/deepspeed", "give what it holds")
    means({**ARGUMENTS, "deepspeed": "ds_config.json"}, DECAYING, deepspeed=AUTO)


def test_another_library_has_no_deepspeed_beside_it() -> None:
    state = {"T_max": 9, "eta_min": 0.0, "base_lrs": [0.1], "last_epoch": 0}
    not_read(state, "/deepspeed", "torch", deepspeed=AUTO)


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"lr_scheduler_kwargs": {"eta_min": 1e-6}}, "/config/lr_scheduler_kwargs/eta_min", "cosine_with_min_lr"),
        (
            {"lr_scheduler_kwargs": {"num_cycle": 1}},
            "/config/lr_scheduler_kwargs/num_cycle",
            "did you mean 'num_cycles'",
        ),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "/config/lr_scheduler_kwargs", "`min_lr`"),
        ({"lr_scheduler_type": "cosin"}, "/config/lr_scheduler_type", "did you mean 'cosine'"),
        ({"learning_rate": "2e-5"}, "/config/learning_rate", "2.0e-5"),
        ({"learning_rate": "2e5"}, "/config/learning_rate", "2.0e+5"),
        ({"warmup_step": 10}, "/config/warmup_step", "no field"),
        ({"lr_scheduler_kwargs": {"num_cycles": "1"}}, "/config/lr_scheduler_kwargs/num_cycles", '"1" is not a number'),
        (
            {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 1.0}},
            "/config/learning_rate",
            "below `learning_rate`",
        ),
    ],
    ids=str,
)
def test_errors_are_at_the_field_and_in_its_words(extra: Json, pointer: str, said: str) -> None:
    not_read({**ARGUMENTS, **extra}, pointer, said)


@pytest.mark.parametrize(
    ("given", "metric", "warned"),
    [
        ({"metric_for_best_model": "accuracy", "greater_is_better": True}, "eval_accuracy", ["mode-stays-min"]),
        ({"metric_for_best_model": "eval_f1"}, "eval_f1", ["mode-stays-min"]),
        ({"metric_for_best_model": "f1", "lr_scheduler_kwargs": {"mode": "max"}}, "eval_f1", []),
        ({"metric_for_best_model": "eval_loss"}, "eval_loss", []),
        ({}, "eval_loss", []),
    ],
    ids=str,
)
def test_a_plateau_follows_the_metric_by_the_name_that_the_trainer_gives_it(
    given: Json, metric: str, warned: list[str]
) -> None:
    answer = read({**ARGUMENTS, "lr_scheduler_type": "reduce_lr_on_plateau", **given})
    assert answer["schedule"]["metric"] == metric
    assert codes(answer) == warned


def test_a_field_but_for_a_letter_is_an_error() -> None:
    misspelt = {"learning_rate": 2e-5, "lr_scheduler_type": "cosine", "max_step": 10}
    not_read(misspelt, "/config/max_step", "did you mean 'max_steps'", total_steps=100)


def test_a_text_is_pointed_into_with_the_line() -> None:
    text = "learning_rate: 1e-5\nlr_scheduler_type: cosine\nmax_steps: 1000\n"
    not_read(text, "/text/learning_rate", 'line 1: "1e-5" is not a number but a text')
    means(text.replace("1e-5", "1.0e-5"), {0: 1e-5, 500: 5e-6})
