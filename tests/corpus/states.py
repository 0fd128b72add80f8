"""States of schedulers, as checkpoints keep them."""

from tests.corpus.entries import Entry, Json, stairs, warmed, wave

TORCH: Json = {"_step_count": 1, "verbose": False, "_get_lr_called_within_step": False}
CYCLE: Json = {
    "first_cycle_steps": 200,
    "cycle_mult": 1.0,
    "base_max_lr": 0.1,
    "max_lr": 0.1,
    "min_lr": 0.001,
    "warmup_steps": 50,
    "gamma": 1.0,
    "cur_cycle_steps": 200,
    "cycle": 0,
    "step_in_cycle": 120,
    "base_lrs": [0.001],
    "last_epoch": 120,
    "_step_count": 2,
}

FILES = [
    Entry(
        "torch, StepLR of the ImageNet example",
        "torch",
        {**TORCH, "step_size": 30, "gamma": 0.1, "base_lrs": [0.1], "last_epoch": 0, "_last_lr": [0.1]},
        stairs((0, 0.1), (30, 0.01), (60, 0.001)),
        90,
    ),
    Entry(
        "torch, milestones of the detection reference",
        "torch",
        {
            **TORCH,
            "milestones": {"16": 1, "22": 1},
            "gamma": 0.1,
            "base_lrs": [0.02],
            "last_epoch": 3,
            "_last_lr": [0.02],
        },
        stairs((0, 0.02), (16, 0.002), (22, 0.0002)),
        26,
    ),
    Entry(
        "torch, a warm-up before a cosine",
        "torch",
        {
            **TORCH,
            "last_epoch": 5,
            "_milestones": [5],
            "_last_lr": [0.5],
            "_schedulers": [
                {**TORCH, "start_factor": 0.01, "end_factor": 1.0, "total_iters": 5, "base_lrs": [0.5], "last_epoch": 5}
                | {"_last_lr": [0.5]},
                {**TORCH, "T_max": 95, "eta_min": 0.0, "base_lrs": [0.5], "last_epoch": 0, "_last_lr": [0.5]},
            ],
        },
        warmed(0.5, 5, 100, wave, start=0.005),
        100,
    ),
    Entry(
        "torch, the rate of every group",
        "torch",
        {**TORCH, "T_max": 80, "eta_min": 1e-6, "base_lrs": [1e-4, 1e-3], "last_epoch": 0, "_last_lr": [1e-4, 1e-3]},
        warmed(1e-3, 0, 80, wave, low=1e-6),
        80,
        track="1/lr",
    ),
    Entry(
        "torch, a plateau in the middle of its run",
        "torch",
        {
            "mode": "min",
            "factor": 0.5,
            "patience": 3,
            "threshold": 1e-4,
            "threshold_mode": "rel",
            "cooldown": 0,
            "cooldown_counter": 0,
            "eps": 1e-8,
            "min_lrs": [0],
            "default_min_lr": 0,
            "best": 0.9,
            "num_bad_epochs": 2,
            "mode_worse": "inf",
            "last_epoch": 4,
            "_last_lr": [0.1],
        },
        lambda t: 0.1,
        10,
        codes=("rate-of-now",),
    ),
    Entry(
        "torch, a function that no state holds",
        "torch",
        {**TORCH, "lr_lambdas": [None], "base_lrs": [0.1], "last_epoch": 7, "_last_lr": [0.1]},
        "/config/lr_lambdas",
    ),
    Entry(
        "maskrcnn-benchmark, its scheduler with a warm-up",
        "torch",
        {
            **TORCH,
            "milestones": [60_000, 80_000],
            "gamma": 0.1,
            "warmup_factor": 1 / 3,
            "warmup_iters": 500,
            "warmup_method": "linear",
            "base_lrs": [0.02],
            "last_epoch": 0,
        },
        "/config/warmup_factor",
    ),
    Entry(
        "a polynomial decay with arguments of its own",
        "torch",
        {"max_decay_steps": 100, "end_learning_rate": 1e-4, "power": 2.0, "base_lrs": [0.001], "last_epoch": 0},
        "/config/total_iters",
    ),
    Entry(
        "warm restarts with a warm-up",
        "cosine_annealing_warmup",
        CYCLE,
        lambda t: 0.001 + 0.099 * (t % 200 / 50 if t % 200 < 50 else wave((t % 200 - 50) / 150)),
        700,
    ),
]
