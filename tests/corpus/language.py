"""Files of trainers of language models that have a schedule of their own."""

from math import cos, pi, sqrt

from tests.corpus.entries import Entry, line, warmed, wave

FILES = [
    Entry(
        "Megatron-LM, GPT 345M",
        "megatron",
        {
            "num_layers": 24,
            "global_batch_size": 8,
            "lr": 0.00015,
            "train_iters": 500_000,
            "lr_decay_iters": 320_000,
            "lr_decay_style": "cosine",
            "min_lr": 1e-5,
            "weight_decay": 0.01,
            "lr_warmup_fraction": 0.01,
        },
        warmed(1.5e-4, 3200, 320_000, wave, low=1e-5),
        500_000,
    ),
    Entry(
        "Megatron-LM, BERT 345M",
        "megatron",
        {
            "global_batch_size": 32,
            "lr": 0.0001,
            "train_iters": 1_000_000,
            "lr_decay_iters": 990_000,
            "lr_decay_style": "linear",
            "min_lr": 1e-5,
            "lr_warmup_fraction": 0.01,
        },
        warmed(1e-4, 9900, 990_000, line, low=1e-5),
        1_000_000,
    ),
    Entry(
        "Megatron-LM, in samples",
        "megatron",
        {
            "global_batch_size": 256,
            "lr": 3e-4,
            "min_lr": 3e-5,
            "train_samples": 2_560_000,
            "lr_decay_samples": 2_048_000,
            "lr_warmup_samples": 25_600,
            "lr_decay_style": "cosine",
        },
        warmed(3e-4, 100, 8000, wave, low=3e-5),
        10_000,
    ),
    Entry(
        "Megatron-LM, a batch that grows",
        "megatron",
        {"lr": 6e-5, "lr_decay_style": "cosine", "train_samples": 1000, "rampup_batch_size": [16, 8, 750]},
        "/config/rampup_batch_size",
    ),
    Entry(
        "NeMo, GPT",
        "nemo",
        """
trainer: {max_steps: 100000, precision: 16}
model:
  micro_batch_size: 4
  optim:
    name: fused_adam
    lr: 2.0e-4
    weight_decay: 0.01
    betas: [0.9, 0.98]
    sched:
      name: CosineAnnealing
      warmup_steps: 500
      constant_steps: 50000
      min_lr: 2.0e-5
""",
        lambda t: (2e-4 * t / 500 if t < 500 else 2e-5 + 1.8e-4 * wave((t - 500) / 49_500)) if t <= 50_000 else 2e-5,
        100_000,
    ),
    Entry(
        "llm-foundry, MPT 125M",
        "llmfoundry",
        """
max_seq_len: 2048
optimizer: {name: decoupled_adamw, lr: 6.0e-4, betas: [0.9, 0.95], eps: 1.0e-08, weight_decay: 0.0}
scheduler: {name: cosine_with_warmup, t_warmup: 100ba, alpha_f: 0.1}
max_duration: 4800ba
global_train_batch_size: 256
""",
        warmed(6e-4, 100, 4800, wave, low=6e-5),
        4800,
    ),
    Entry(
        "llm-foundry, fine-tuning of MPT 7B",
        "llmfoundry",
        """
scheduler: {name: linear_decay_with_warmup, t_warmup: 50ba, alpha_f: 0}
optimizer: {name: decoupled_adamw, lr: 5.0e-6, weight_decay: 0}
max_duration: 2ep
""",
        warmed(5e-6, 50, 1200, line),
        1200,
        given={"steps_per_epoch": 600},
    ),
    Entry(
        "llm-foundry, a value that stands for another",
        "llmfoundry",
        "scheduler: {name: cosine_with_warmup, t_warmup: '${warmup}'}\noptimizer: {lr: 1.0e-4}\nmax_duration: 10ba\n",
        "/text/scheduler/t_warmup",
    ),
    Entry(
        "torchtitan, Llama 3 8B",
        "torchtitan",
        """
[optimizer]
name = "AdamW"
lr = 3e-4
eps = 1e-8
[lr_scheduler]
warmup_steps = 200
[training]
local_batch_size = 1
seq_len = 8192
steps = 1000
""",
        lambda t: 3e-4 * ((t + 1) / 200 if t < 200 else 1 - (t + 1 - 201) / 800),
    ),
    Entry(
        "torchtitan, a mixture of experts",
        "torchtitan",
        """
[optimizer]
lr = 2.2e-4
[lr_scheduler]
warmup_steps = 200
decay_ratio = 0.8
decay_type = "cosine"
min_lr_factor = 0.1
[training]
steps = 1000
""",
        lambda t: 2.2e-4 * ((t + 1) / 200 if t < 200 else 0.1 + 0.9 * (1 + cos(pi * (t - 200) / 800)) / 2),
    ),
    Entry(
        "nanoGPT, GPT-2 124M",
        "nanogpt",
        {"learning_rate": 6e-4, "max_iters": 600_000, "lr_decay_iters": 600_000, "warmup_iters": 2000, "min_lr": 6e-5}
        | {"batch_size": 12, "block_size": 1024, "gradient_accumulation_steps": 40, "weight_decay": 0.1},
        lambda t: 6e-4 * (t + 1) / 2001 if t < 2000 else 6e-5 + 5.4e-4 * wave((t - 2000) / 598_000),
        600_000,
        codes=("warmup-of-now",),
    ),
    Entry(
        "MLX LM, LoRA",
        "mlx",
        """
iters: 1000
learning_rate: 1.0e-5
lora_parameters: {rank: 8, dropout: 0.0, scale: 20.0}
lr_schedule:
  name: cosine_decay
  warmup: 100
  warmup_init: 1.0e-7
  arguments: [1.0e-5, 1000, 1.0e-7]
""",
        lambda t: 1e-7 + 9.9e-6 * (min(t, 100) / 100 if t < 101 else wave((t - 101) / 1000)),
        rel=1e-4,
    ),
    Entry(
        "OpenNMT-py, Transformer",
        "opennmt",
        "learning_rate: 2\nwarmup_steps: 8000\ndecay_method: noam\nhidden_size: 512\ntrain_steps: 100000\n",
        lambda t: 2 * 512**-0.5 * min((t + 1) ** -0.5, (t + 1) * 8000**-1.5),
        100_000,
    ),
    Entry(
        "fairseq, Transformer for IWSLT",
        "fairseq",
        {
            "arch": "transformer_iwslt_de_en",
            "optimizer": "adam",
            "lr": [5e-4],
            "lr_scheduler": "inverse_sqrt",
            "warmup_updates": 4000,
            "warmup_init_lr": 1e-7,
            "weight_decay": 0.0001,
            "max_tokens": 4096,
        },
        lambda t: 1e-7 + (5e-4 - 1e-7) * t / 4000 if t < 4000 else 5e-4 * sqrt(4000 / t),
        50_000,
    ),
    Entry(
        "fairseq, RoBERTa",
        "fairseq",
        """
optimization: {max_update: 125000, update_freq: [16], lr: [0.0005]}
lr_scheduler: {_name: polynomial_decay, warmup_updates: 10000, total_num_update: 125000}
""",
        warmed(5e-4, 10_000, 125_000, line),
        125_000,
    ),
    Entry(
        "a model card of transformers for TensorFlow",
        "keras",
        {
            "name": "AdamWeightDecay",
            "learning_rate": {
                "class_name": "PolynomialDecay",
                "config": {
                    "initial_learning_rate": 2e-5,
                    "decay_steps": 1908,
                    "end_learning_rate": 0.0,
                    "power": 1.0,
                    "cycle": False,
                    "name": None,
                },
            },
            "decay": 0.0,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "epsilon": 1e-8,
            "amsgrad": False,
            "weight_decay_rate": 0.01,
        },
        warmed(2e-5, 0, 1908, line),
        1908,
        rel=1e-4,
    ),
]
