"""Files that are recognised but not read, with the schedule that says what they would, where one does."""

from app.reading import recognises

COSINE = (
    'write {"kind": "transformers.cosine", "base_lr": …, "num_warmup_steps": …, "num_training_steps": …}, which is the '
    "same curve"
)
FLOOR = (
    'write {"kind": "warmup_cosine", "peak": …, "warmup_steps": …, "decay_steps": …, "end": …}, which is its curve but '
    "for a shift by a step"
)

recognises(
    "gpt-neox",
    marks=("lr-decay-style", "lr_decay_style optimizer.params.lr", "lr-decay-iters", "train-iters optimizer.params.lr"),
    instead="its AnnealingLR counts the warm-up off the decay, unlike Megatron-LM's: write its curve as a `formula`",
)
recognises("torchtune", marks=("optimizer._component_", "lr_scheduler._component_"), instead=COSINE)
recognises("litgpt", marks=("train.lr_warmup_steps", "train.min_lr"), instead=FLOOR)
recognises("nanotron", marks=("optimizer.learning_rate_scheduler",), instead=FLOOR)
recognises("levanter", marks=("optimizer.lr_schedule", "trainer.num_train_steps optimizer.warmup"), instead=FLOOR)
recognises(
    "maxtext",
    marks=("cosine_learning_rate_final_fraction", "learning_rate_schedule_steps warmup_steps_fraction"),
    instead=FLOOR,
)
recognises(
    "kohya_ss",
    marks=("LoRA_type lr_scheduler",),
    instead="these are the settings of its interface: import the TOML that it writes for sd-scripts",
)
