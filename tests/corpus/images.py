"""Files of trainers on images: classifiers, detectors, segmentation, diffusion."""

from tests.corpus.entries import Entry, Json, flat, line, per_epoch, stairs, warmed, wave

TIMM: Json = {"lr_noise": None, "lr_cycle_mul": 1.0, "lr_cycle_decay": 0.5, "lr_cycle_limit": 1, "lr_k_decay": 1.0}


def sgd(rate: float) -> Json:
    return {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": rate, "momentum": 0.9, "weight_decay": 1e-4}}}


FILES = [
    Entry(
        "timm, ResNet-50 by cosine",
        "timm",
        {**TIMM, "sched": "cosine", "lr": 0.5, "epochs": 600, "warmup_epochs": 5, "warmup_lr": 1e-6, "min_lr": 1e-5}
        | {"cooldown_epochs": 0, "decay_rate": 0.1, "opt": "sgd", "smoothing": 0.1, "weight_decay": 2e-5},
        per_epoch(lambda e: 1e-6 + e * (0.5 - 1e-6) / 5 if e < 5 else 1e-5 + (0.5 - 1e-5) * wave(e / 600), 20),
        12_000,
        given={"steps_per_epoch": 20},
    ),
    Entry(
        "timm, EfficientNet by steps of 2.4 epochs",
        "timm",
        {
            **TIMM,
            "sched": "step",
            "lr": 0.048,
            "epochs": 450,
            "decay_epochs": 2.4,
            "decay_rate": 0.97,
            "warmup_lr": 1e-6,
        }
        | {"warmup_epochs": 3, "warmup_prefix": False, "opt": "rmsproptf", "model_ema_decay": 0.9999},
        per_epoch(lambda e: 1e-6 + e * (0.048 - 1e-6) / 3 if e < 3 else 0.048 * 0.97 ** (e // 2.4), 20),
        9000,
        given={"steps_per_epoch": 20},
    ),
    Entry(
        "DeiT",
        "timm",
        "sched: cosine\nlr: 0.0005\nepochs: 300\nwarmup_epochs: 5\nwarmup_lr: 1.0e-06\nmin_lr: 1.0e-05\n",
        per_epoch(lambda e: 1e-6 + e * (5e-4 - 1e-6) / 5 if e < 5 else 1e-5 + (5e-4 - 1e-5) * wave(e / 300), 10),
        3000,
        given={"steps_per_epoch": 10},
    ),
    Entry(
        "timm, a rate that depends on the batch",
        "timm",
        {**TIMM, "sched": "cosine", "lr": None, "lr_base": 0.1, "lr_base_size": 256, "epochs": 100, "warmup_epochs": 5},
        "/config/lr",
        given={"steps_per_epoch": 10},
    ),
    Entry(
        "BEiT, a rate for each layer",
        "timm",
        {**TIMM, "sched": "cosine", "lr": 5e-4, "epochs": 100, "warmup_epochs": 20, "layer_decay": 0.65},
        "/config/layer_decay",
        given={"steps_per_epoch": 10},
    ),
    Entry(
        "mmdetection, schedule 1x",
        "mmengine",
        {
            "param_scheduler": [
                {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 500},
                {"type": "MultiStepLR", "begin": 0, "end": 12, "by_epoch": True, "milestones": [8, 11], "gamma": 0.1},
            ],
            **sgd(0.02),
            "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 12, "val_interval": 1},
            "auto_scale_lr": {"enable": False, "base_batch_size": 16},
        },
        lambda t: 0.02 * min(1, 0.001 + 0.999 * t / 499) * (1 if t < 800 else 0.1 if t < 1100 else 0.01),
        1200,
        given={"steps_per_epoch": 100},
    ),
    Entry(
        "mmsegmentation, 40,000 iterations",
        "mmengine",
        """
optim_wrapper: {type: OptimWrapper, optimizer: {type: SGD, lr: 0.01, momentum: 0.9, weight_decay: 0.0005}}
param_scheduler:
  - {type: PolyLR, eta_min: 1.0e-4, power: 0.9, begin: 0, end: 40000, by_epoch: false}
train_cfg: {type: IterBasedTrainLoop, max_iters: 40000, val_interval: 4000}
""",
        lambda t: 1e-4 + 0.0099 * (1 - min(t, 39_999) / 39_999) ** 0.9,
        40_000,
    ),
    Entry(
        "mmpretrain, Swin Transformer",
        "mmengine",
        {
            "optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.001, "weight_decay": 0.05}},
            "param_scheduler": [
                {"type": "LinearLR", "start_factor": 1e-3, "by_epoch": True, "end": 20, "convert_to_iter_based": True},
                {"type": "CosineAnnealingLR", "eta_min": 1e-5, "by_epoch": True, "begin": 20},
            ],
            "train_cfg": {"by_epoch": True, "max_epochs": 300, "val_interval": 1},
        },
        lambda t: 1e-3 * (0.001 + 0.999 * t / 199) if t < 200 else 1e-5 + (1e-3 - 1e-5) * wave((t // 10 - 20) / 280),
        3000,
        given={"steps_per_epoch": 10},
    ),
    Entry(
        "mmpretrain, ResNet-50 on ImageNet",
        "mmengine",
        {
            **sgd(0.1),
            "param_scheduler": {"type": "MultiStepLR", "by_epoch": True, "milestones": [30, 60, 90], "gamma": 0.1},
        },
        stairs((0, 0.1), (600, 0.01), (1200, 0.001), (1800, 0.0001)),
        2000,
        given={"steps_per_epoch": 20},
    ),
    Entry(
        "YOLOX",
        "mmengine",
        {
            **sgd(0.01),
            "param_scheduler": [
                {"type": "QuadraticWarmupLR", "by_epoch": True, "begin": 0, "end": 5, "convert_to_iter_based": True},
                {
                    "type": "CosineAnnealingLR",
                    "eta_min": 0.0005,
                    "begin": 5,
                    "T_max": 285,
                    "end": 285,
                    "by_epoch": True,
                    "convert_to_iter_based": True,
                },
                {"type": "ConstantLR", "by_epoch": True, "factor": 1, "begin": 285, "end": 300},
            ],
        },
        lambda t: 0.01 * ((t + 1) / 100) ** 2 if t < 100 else 5e-4 + 0.0095 * wave((min(t, 5699) - 100) / 5700),
        6000,
        given={"steps_per_epoch": 20},
    ),
    Entry(
        "mmdetection 2, before `param_scheduler`",
        "mmengine",
        {
            "optimizer": {"type": "SGD", "lr": 0.02},
            "lr_config": {"policy": "step", "warmup": "linear", "step": [8, 11]},
        },
        "/config/lr_config",
    ),
    Entry(
        "detectron2, Mask R-CNN 1x",
        "detectron2",
        """
MODEL:
  MASK_ON: True
SOLVER:
  IMS_PER_BATCH: 16
  BASE_LR: 0.02
  STEPS: (60000, 80000)
  MAX_ITER: 90000
""",
        lambda t: 0.02 * min(1, 0.001 + 0.999 * t / 1000) * (1 if t < 60_000 else 0.1 if t < 80_000 else 0.01),
        90_000,
    ),
    Entry(
        "detectron2, a file above a base",
        "detectron2",
        "_BASE_: ../Base-RCNN-FPN.yaml\nSOLVER:\n  STEPS: (210000, 250000)\n  MAX_ITER: 270000\n",
        "/text/_BASE_",
    ),
    Entry(
        "maskrcnn-benchmark",
        "detectron2",
        {
            "SOLVER": {
                "BASE_LR": 0.02,
                "WEIGHT_DECAY": 0.0001,
                "STEPS": [60_000, 80_000],
                "MAX_ITER": 90_000,
                "WARMUP_FACTOR": 1 / 3,
                "WARMUP_ITERS": 500,
            }
        },
        lambda t: 0.02 * min(1, 1 / 3 + t / 750) * (1 if t < 60_000 else 0.1 if t < 80_000 else 0.01),
        90_000,
    ),
    Entry(
        "ultralytics, SGD",
        "ultralytics",
        """
task: detect
epochs: 100
batch: 16
optimizer: SGD
cos_lr: false
lr0: 0.01
lrf: 0.01
momentum: 0.937
weight_decay: 0.0005
warmup_epochs: 3.0
warmup_momentum: 0.8
warmup_bias_lr: 0.1
nbs: 64
dropout: 0.0
""",
        lambda t: 0.01 * (0.01 + 0.99 * line(t // 100 / 100)) * min(1, t / 300),
        10_000,
        given={"steps_per_epoch": 100},
    ),
    Entry(
        "ultralytics, an optimizer of its own choice",
        "ultralytics",
        {"epochs": 100, "optimizer": "auto", "lr0": 0.01, "lrf": 0.01, "warmup_epochs": 3.0, "batch": 16},
        "/config/optimizer",
        given={"steps_per_epoch": 100},
    ),
    Entry(
        "diffusers, text to image",
        "diffusers",
        {
            "resolution": 512,
            "train_batch_size": 1,
            "gradient_accumulation_steps": 4,
            "learning_rate": 1e-5,
            "scale_lr": False,
            "lr_scheduler": "constant",
            "lr_warmup_steps": 0,
            "max_train_steps": 15_000,
        },
        warmed(1e-5, 0, 1, flat),
        15_000,
    ),
    Entry(
        "diffusers, DreamBooth with LoRA",
        "diffusers",
        "learning_rate: 1.0e-4\nlr_scheduler: cosine\nlr_warmup_steps: 100\nlr_power: 1.0\nmax_train_steps: 500\n",
        warmed(1e-4, 100, 500, wave),
        500,
    ),
    Entry(
        "diffusers, a rate that depends on the machine",
        "diffusers",
        {
            "learning_rate": 1e-4,
            "scale_lr": True,
            "lr_scheduler": "cosine",
            "lr_warmup_steps": 500,
            "max_train_steps": 9,
        },
        "/config/scale_lr",
    ),
    Entry(
        "kohya, SDXL with LoRA",
        "kohya",
        """
pretrained_model_name_or_path = "models/base.safetensors"
network_module = "networks.lora"
network_dim = 32
network_alpha = 16
learning_rate = 0.0001
unet_lr = 0.0001
text_encoder_lr = 5e-05
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
lr_warmup_steps = 100
max_train_steps = 1600
optimizer_type = "AdamW8bit"
""",
        lambda t: 1e-4 * t / 100 if t < 100 else 1e-4 * wave((t - 100) / 500 % 1) if t < 1600 else 0.0,
        1600,
        track="1/lr",
    ),
    Entry(
        "kohya, Prodigy",
        "kohya",
        {"learning_rate": 1.0, "lr_scheduler": "cosine", "optimizer_type": "Prodigy", "max_train_steps": 800},
        warmed(1.0, 0, 800, wave),
        800,
    ),
    Entry(
        "kohya, Adafactor with its own rate",
        "kohya",
        {"learning_rate": 4e-7, "lr_scheduler": "constant_with_warmup", "optimizer_type": "Adafactor"},
        "/config/optimizer_type",
    ),
    Entry(
        "Keras, ResNet by exponential decay",
        "keras",
        {
            "name": "SGD",
            "learning_rate": {
                "module": "keras.optimizers.schedules",
                "class_name": "ExponentialDecay",
                "config": {
                    "initial_learning_rate": 0.1,
                    "decay_steps": 10_000,
                    "decay_rate": 0.96,
                    "staircase": True,
                    "name": "ExponentialDecay",
                },
                "registered_name": None,
            },
            "momentum": 0.9,
            "nesterov": False,
        },
        lambda t: 0.1 * 0.96 ** (t // 10_000),
        100_000,
        rel=1e-4,
    ),
    Entry(
        "Keras 2, Adam with a decay",
        "keras",
        {"name": "Adam", "learning_rate": 0.001, "decay": 1e-6, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        lambda t: 0.001 / (1 + 1e-6 * t),
        100_000,
        rel=1e-4,
    ),
    Entry(
        "Keras, a learning rate by inverse time and root",
        "keras",
        {
            "class_name": "InverseTimeDecay",
            "config": {"initial_learning_rate": 0.1, "decay_steps": 1.0, "decay_rate": 0.5, "staircase": False},
        },
        lambda t: 0.1 / (1 + 0.5 * t),
        rel=1e-4,
    ),
]
