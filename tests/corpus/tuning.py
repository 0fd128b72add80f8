"""Files for the fine-tuning of language models with transformers, DeepSpeed and axolotl."""

from math import log

from tests.corpus.entries import Entry, Json, flat, line, warmed, wave

ZERO: Json = {"zero_optimization": {"stage": 3}, "train_micro_batch_size_per_gpu": "auto", "bf16": {"enabled": "auto"}}
AUTO: Json = {
    **ZERO,
    "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto", "eps": "auto", "weight_decay": "auto"}},
}
WARMUP = {"warmup_min_lr": "auto", "warmup_max_lr": "auto", "warmup_num_steps": "auto"}


def log_warmup(step: int, peak: float, warmup: int) -> float:
    """DeepSpeed's default warm-up, which counts from 0 after the first call."""
    return peak * log(step) / log(warmup) if step else 0.0


FILES = [
    Entry(
        "alpaca, fine-tuning of LLaMA",
        "transformers",
        {
            "bf16": True,
            "num_train_epochs": 3,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 8,
            "learning_rate": 2e-5,
            "weight_decay": 0.0,
            "warmup_ratio": 0.03,
            "lr_scheduler_type": "cosine",
            "logging_steps": 1,
        },
        warmed(2e-5, 37, 1218, wave),
        1218,
        given={"total_steps": 1218},
    ),
    Entry(
        "alpaca-lora",
        "transformers",
        {
            "per_device_train_batch_size": 4,
            "warmup_steps": 100,
            "num_train_epochs": 3,
            "learning_rate": 3e-4,
            "optim": "adamw_torch",
        },
        warmed(3e-4, 100, 1164, line),
        1164,
        given={"steps_per_epoch": 388},
    ),
    Entry(
        "LLaMA-Factory, SFT with LoRA",
        "transformers",
        """
stage: sft
finetuning_type: lora
lora_rank: 8
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
""",
        warmed(1e-4, 123, 1230, wave),
        1230,
        given={"steps_per_epoch": 410},
    ),
    Entry(
        "zephyr, DPO",
        "transformers",
        "learning_rate: 5.0e-7\nlr_scheduler_type: cosine\nwarmup_ratio: 0.1\nnum_train_epochs: 1\nbeta: 0.01\n",
        warmed(5e-7, 48, 478, wave),
        478,
        given={"total_steps": 478},
    ),
    Entry(
        "GLUE, BERT",
        "transformers",
        {"learning_rate": 2e-5, "num_train_epochs": 3.0, "per_device_train_batch_size": 32, "max_steps": -1},
        warmed(2e-5, 0, 345, line),
        345,
        given={"steps_per_epoch": 115},
    ),
    Entry(
        "T5 with Adafactor at a constant rate",
        "transformers",
        {"learning_rate": 1e-3, "lr_scheduler_type": "constant", "optim": "adafactor", "max_steps": 10_000},
        warmed(1e-3, 0, 1, flat),
    ),
    Entry(
        "open-r1, GRPO with a lowest rate",
        "transformers",
        """
learning_rate: 2.0e-05
lr_scheduler_type: cosine_with_min_lr
lr_scheduler_kwargs:
  min_lr_rate: 0.1
warmup_ratio: 0.03
max_steps: 500
""",
        warmed(2e-5, 15, 500, wave, low=2e-6),
        500,
    ),
    Entry(
        "SmolLM, warm-up, stable, decay",
        "transformers",
        """
learning_rate: 3.0e-4
lr_scheduler_type: warmup_stable_decay
lr_scheduler_kwargs: {num_decay_steps: 200, decay_type: linear, min_lr_ratio: 0.0}
warmup_steps: 100
max_steps: 1000
""",
        lambda t: 3e-4 * (t / 100 if t < 100 else 1.0 if t < 800 else (1000 - t) / 200),
    ),
    Entry(
        "a YAML 1.1 rate in a Trainer's file",
        "transformers",
        "lr_scheduler_type: cosine\nlearning_rate: 1e-5\nmax_steps: 1000\n",
        "/text/learning_rate",
    ),
    Entry(
        "a floor under plain cosine",
        "transformers",
        {
            "learning_rate": 1e-4,
            "lr_scheduler_type": "cosine",
            "lr_scheduler_kwargs": {"min_lr": 1e-6},
            "max_steps": 100,
        },
        "/config/lr_scheduler_kwargs/min_lr",
    ),
    Entry(
        "FastChat with DeepSpeed, rates of the Trainer",
        "transformers",
        {"learning_rate": 2e-5, "lr_scheduler_type": "cosine", "warmup_ratio": 0.03, "max_steps": 1000, "tf32": True},
        warmed(2e-5, 30, 1000, wave),
        given={"deepspeed": AUTO},
    ),
    Entry(
        "the Trainer's example for ZeRO 3: DeepSpeed's scheduler, all auto",
        "transformers",
        {"learning_rate": 3e-5, "warmup_steps": 500, "max_steps": 1000, "lr_scheduler_type": "linear"},
        lambda t: log_warmup(t, 3e-5, 500) if t <= 500 else 3e-5,
        given={"deepspeed": {**AUTO, "scheduler": {"type": "WarmupLR", "params": WARMUP}}},
    ),
    Entry(
        "the same with a decay",
        "transformers",
        {"learning_rate": 3e-5, "warmup_steps": 50, "max_steps": 1000, "lr_scheduler_type": "linear"},
        lambda t: log_warmup(t, 3e-5, 50) if t <= 50 else 3e-5 * (1001 - t) / 950,
        given={
            "deepspeed": {
                **AUTO,
                "scheduler": {"type": "WarmupDecayLR", "params": {**WARMUP, "total_num_steps": "auto"}},
            }
        },
    ),
    Entry(
        "a DeepSpeed file that is only named",
        "transformers",
        {"learning_rate": 1e-5, "lr_scheduler_type": "cosine", "max_steps": 100, "deepspeed": "configs/ds_z3.json"},
        "/config/deepspeed",
    ),
    Entry(
        "DeepSpeed's CIFAR example",
        "deepspeed",
        {
            "train_batch_size": 16,
            "steps_per_print": 2000,
            "optimizer": {"type": "Adam", "params": {"lr": 0.001, "betas": [0.8, 0.999], "weight_decay": 3e-7}},
            "scheduler": {
                "type": "WarmupLR",
                "params": {"warmup_min_lr": 0, "warmup_max_lr": 0.001, "warmup_num_steps": 1000},
            },
        },
        lambda t: log_warmup(t, 0.001, 1000) if t <= 1000 else 0.001,
        3000,
    ),
    Entry(
        "a fine-tuning whose peak nobody wrote",
        "deepspeed",
        {
            "optimizer": {"type": "AdamW", "params": {"lr": 5e-7}},
            "scheduler": {"type": "WarmupDecayLR", "params": {"warmup_num_steps": 10, "total_num_steps": 100}},
        },
        lambda t: log_warmup(t, 0.001, 10) if t <= 10 else 0.001 * max(0, 101 - t) / 90,
        100,
        codes=("default-peak",),
    ),
    Entry(
        "axolotl, Llama 3 with LoRA",
        "axolotl",
        """
base_model: models/base-8b
load_in_8bit: true
datasets:
  - path: data/train
    type: alpaca
adapter: lora
lora_r: 32
lora_alpha: 16
gradient_accumulation_steps: 4
micro_batch_size: 2
num_epochs: 4
optimizer: adamw_bnb_8bit
lr_scheduler: cosine
learning_rate: 0.0002
warmup_steps: 10
weight_decay: 0.0
""",
        warmed(2e-4, 10, 1200, wave),
        1200,
        given={"steps_per_epoch": 300},
    ),
    Entry(
        "axolotl, a full fine-tuning of a small model",
        "axolotl",
        "micro_batch_size: 1\nnum_epochs: 4\nlr_scheduler: cosine\nlearning_rate: 3e-6\nwarmup_ratio: 0.2\n",
        warmed(3e-6, 80, 400, wave),
        400,
        given={"total_steps": 400},
    ),
    Entry(
        "axolotl, pre-training with a floor",
        "axolotl",
        {"base_model": "m", "micro_batch_size": 4, "max_steps": 900, "learning_rate": 3e-4, "cosine_min_lr_ratio": 0.1},
        warmed(3e-4, 27, 900, wave, low=3e-5),
        900,
    ),
    Entry(
        "axolotl, a floor that is reached early",
        "axolotl",
        {
            "micro_batch_size": 4,
            "max_steps": 1000,
            "learning_rate": 2e-4,
            "warmup_steps": 100,
            "lr_scheduler": "cosine",
            "cosine_min_lr_ratio": 0.1,
            "cosine_constant_lr_ratio": 0.8,
        },
        warmed(2e-4, 100, 800, wave, low=2e-5),
    ),
    Entry(
        "axolotl, rates of embeddings",
        "axolotl",
        {"micro_batch_size": 4, "max_steps": 1000, "learning_rate": 2e-4, "embedding_lr": 1e-5},
        "/config/embedding_lr",
    ),
]
