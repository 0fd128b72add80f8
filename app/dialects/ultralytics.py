"""ultralytics 8: what its trainer does with the rate and the momentum, and its `args.yaml`.

A step is a batch. The trainer updates the weights once every `nbs / batch` batches, and the rate with each.
"""

from typing import Literal

from app.dialects.functions import number
from app.reading import Fields, Found, Given, Json, reads
from schemas.base import Count, NotNegative, Positive
from schemas.compose import constant, formula
from schemas.specs import Lowered, Spec

SHORTEST = 100  # batches that a warm-up lasts at least


class UltralyticsBaseTrainer(Lowered):
    """A level for each epoch, on a straight line or a cosine from `lr0` down to `lr0*lrf`; over its beginning a warm-up
    by batches, which for biases comes down from `warmup_bias_lr`.
    """

    kind: Literal["ultralytics.BaseTrainer"]
    epochs: Count
    """Epochs of the run."""
    steps_per_epoch: Count
    """Batches in an epoch."""
    lr0: Positive = 0.01
    """First rate."""
    lrf: NotNegative = 0.01
    """Last rate as a share of the first."""
    cos_lr: bool = False
    """A cosine, and not a straight line."""
    warmup_epochs: NotNegative = 3.0
    """Length of the warm-up; 100 batches at least, unless it is 0."""
    warmup_bias_lr: NotNegative = 0.1
    """First rate of biases."""
    momentum: NotNegative = 0.937
    """Momentum after the warm-up."""
    warmup_momentum: NotNegative = 0.8
    """First momentum."""
    quantity: Literal["lr", "bias_lr", "momentum"] = "lr"
    """Which of the three values."""

    formula = (
        "g = lr0*(lrf + (1 - lrf)*(1 - e/epochs)), or lr0*(1 + (lrf - 1)*(1 - cos(pi*e/epochs))/2), in epoch e; "
        "s + (g - s)*t/nw for t <= nw = max(round(warmup_epochs*steps_per_epoch), 100), s = 0 or warmup_bias_lr; then g"
    )
    source = "ultralytics.engine.trainer.BaseTrainer, ultralytics 8.3"
    aliases = ("yolo", "yolov8", "lf")
    example = {"epochs": 20, "steps_per_epoch": 60, "warmup_epochs": 3.0}

    def drives(self) -> tuple[str, ...]:
        return "lr", "bias_lr", "momentum"

    def lower(self) -> Spec:
        start = {"lr": 0.0, "bias_lr": self.warmup_bias_lr, "momentum": self.warmup_momentum}[self.quantity]
        if self.quantity == "momentum":
            goal = number(self.momentum)
        else:
            fall = f"{self.lrf!r} + (1 - {self.lrf!r}) * (1 - done)"
            wave = f"1 + ({self.lrf!r} - 1) * ((1 - cos(pi * done)) / 2)"
            goal = f"{self.lr0!r} * ({wave if self.cos_lr else fall})"
        done = f"min(floor(step / {self.steps_per_epoch}), {self.epochs}) / {self.epochs}"
        if self.warmup_epochs == 0:
            return constant(self.momentum) if self.quantity == "momentum" else formula(goal, done=done)
        warmup = max(round(self.warmup_epochs * self.steps_per_epoch), SHORTEST)
        rise = f"{start!r} + (goal - {start!r}) * step / {warmup}"
        parts = {"goal": goal} if self.quantity == "momentum" else {"done": done, "goal": goal}
        return formula(f"where(step < {warmup}, {rise}, goal)", **parts)


OWN = ("lr0", "lrf", "cos_lr", "warmup_epochs", "warmup_bias_lr", "momentum", "warmup_momentum")
WITH_MOMENTUM = ("SGD", "RMSProp")
WHY = {
    "batch": "a step is a batch",
    "nbs": "a step is a batch, of which an update takes `nbs / batch`",
    "weight_decay": "constant: no schedule drives it",
    "lr": "a factor on the loss of a task",
}
REFUSED = {"time": "the run ends after so many hours, and the rate is laid out anew each epoch: set `epochs`"}


@reads(
    "ultralytics",
    source="ultralytics.engine.trainer.BaseTrainer, ultralytics 8.3",
    checked="its own loop, written down again",
    marks=("lr0 lrf", "lr0 warmup_epochs", "lr0 warmup_bias_lr"),
    fields=("epochs", "optimizer", *OWN),
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """Tracks `lr`, `bias/lr`, and `momentum` where the optimizer has one. What is left out is ultralytics' default."""
    length = given.steps(1, "the warm-up counts batches and the rate changes each epoch")
    spec: Json = {"kind": "ultralytics.BaseTrainer", "epochs": fields.whole("epochs"), "steps_per_epoch": round(length)}
    optimizer = fields.text("optimizer", "auto")
    if optimizer == "auto":
        if given.base_lr is None:
            hint = "`auto` takes a rate and a momentum of its own and not `lr0`"
            raise fields.bad(
                "optimizer", f"{hint}: name the optimizer, or give the rate that the log shows as `base_lr`"
            )
        for name in ("lr0", "momentum", "warmup_bias_lr"):
            fields.get(name, why="`auto` takes its own")
        spec |= {"lr0": given.base_lr, "momentum": 0.9, "warmup_bias_lr": 0.0}
    for name in OWN:
        if name not in spec and name in fields:
            spec[name] = fields.flag(name, False) if name == "cos_lr" else fields.number(name)
    tracks = {"lr": spec, "bias/lr": spec | {"quantity": "bias_lr"}}
    if optimizer in WITH_MOMENTUM:
        tracks["momentum"] = spec | {"quantity": "momentum"}
    return Found(tracks, names={"steps_per_epoch": "/steps_per_epoch"})
