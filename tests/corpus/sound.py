"""Files of trainers on speech and sound."""

from math import exp, log

from tests.corpus.entries import Entry, line, warmed, wave


def tri_stage(step: int) -> float:
    """fairseq's three stages of 10 %, 40 % and 50 % of 80,000 updates."""
    if step < 8000:
        return 1e-4 * (0.01 + 0.99 * step / 8000)
    return 1e-4 * (1.0 if step < 40_000 else exp(log(0.05) * min(1, (step - 40_000) / 40_000)))


FILES = [
    Entry(
        "Whisper, fine-tuning",
        "transformers",
        {
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 1,
            "learning_rate": 1e-5,
            "warmup_steps": 500,
            "max_steps": 4000,
            "metric_for_best_model": "wer",
            "greater_is_better": False,
        },
        warmed(1e-5, 500, 4000, line),
        4000,
    ),
    Entry(
        "fairseq, wav2vec 2.0 for recognition",
        "fairseq",
        """
optimization:
  max_update: 80000
  lr: [0.0001]
  sentence_avg: true
  update_freq: [1]
lr_scheduler:
  _name: tri_stage
  phase_ratio: [0.1, 0.4, 0.5]
  final_lr_scale: 0.05
""",
        tri_stage,
        80_000,
    ),
    Entry(
        "fairseq, wav2vec 2.0, pre-training",
        "fairseq",
        """
optimization: {max_update: 400000, lr: [0.0005]}
lr_scheduler: {_name: polynomial_decay, warmup_updates: 32000, total_num_update: 400000}
""",
        warmed(5e-4, 32_000, 400_000, line),
        400_000,
    ),
    Entry(
        "NeMo, Conformer-CTC",
        "nemo",
        """
model:
  encoder: {d_model: 512}
  optim:
    name: adamw
    lr: 2.0
    betas: [0.9, 0.98]
    weight_decay: 1.0e-3
    sched:
      name: NoamAnnealing
      d_model: 512
      warmup_steps: 10000
      warmup_ratio: null
      min_lr: 1.0e-6
trainer: {max_epochs: 1000, accumulate_grad_batches: 1}
""",
        lambda t: max(2 * 512**-0.5 * min(max(t, 1) ** -0.5, max(t, 1) * 10_000**-1.5), 1e-6 if t > 10_000 else 0.0),
        100_000,
        given={"total_steps": 100_000},
    ),
    Entry(
        "NeMo, QuartzNet",
        "nemo",
        """
optim:
  name: novograd
  lr: 0.01
  betas: [0.8, 0.5]
  weight_decay: 0.001
  sched: {name: CosineAnnealing, warmup_steps: 1000, min_lr: 1.0e-6, last_epoch: -1}
""",
        lambda t: 0.01 * (t + 1) / 1001 if t <= 1000 else 1e-6 + (0.01 - 1e-6) * wave((t - 1000) / 49_000),
        50_000,
        given={"total_steps": 50_000},
    ),
    Entry(
        "NeMo, a scheduler of torch by its name",
        "nemo",
        {"optim": {"name": "adamw", "lr": 2e-4, "sched": {"name": "ExponentialLR", "gamma": 0.999}}},
        "/config/optim/sched/name",
    ),
    Entry(
        "ESPnet, Conformer",
        "espnet",
        """
optim: adam
optim_conf: {lr: 0.002, weight_decay: 0.000001}
scheduler: warmuplr
scheduler_conf: {warmup_steps: 15000}
accum_grad: 4
max_epoch: 50
""",
        lambda t: 0.002 * 15_000**0.5 * min((t + 1) ** -0.5, (t + 1) * 15_000**-1.5),
        100_000,
    ),
    Entry(
        "ESPnet, another scheduler",
        "espnet",
        "optim_conf: {lr: 0.5}\nscheduler: noamlr\nscheduler_conf: {model_size: 256, warmup_steps: 25000}\n",
        "/text/scheduler",
    ),
]
