"""axolotl: its own schedules, and its YAML, which it hands on to transformers' Trainer."""

from typing import Literal

from pydantic import model_validator

from app.dialects.huggingface import WarmedUp, waves
from app.dialects.transformers.configuration import WITHOUT_LENGTH, WITHOUT_WARMUP, length
from app.errors import Invalid
from app.reading import Fields, Found, Given, Json, reads
from schemas.base import NotNegative, Positive, Share, Step
from schemas.compose import clock, constant, formula, ramp, sequence
from schemas.specs import KINDS, Lowered, Spec

SOURCE = "axolotl.utils.schedulers.{name}, axolotl 0.9"


class AxolotlRexLR(Lowered):
    """Up from 0 in a straight line, then the reflected exponential: high for long, then steeply down to `min_lr`.

    With a warm-up of more than one step, the first update has a rate from within the decay, and not 0: axolotl takes
    step 0 for one before the beginning of a cycle.
    """

    kind: Literal["axolotl.RexLR"]
    max_lr: Positive
    """Rate after the warm-up."""
    min_lr: NotNegative = 0.0
    """Last rate, held."""
    total_steps: Step
    """Steps of the run."""
    num_warmup_steps: Step = 0
    """Steps of the way up; at most `total_steps`."""

    formula = (
        "max_lr*t/W for 1 <= t <= W; max_lr*(m + (1 - m)*z/(0.1 + 0.9*z)), z = (N - t)/(N - W), m = min_lr/max_lr; "
        "min_lr from N on; at 0 as if z were (W mod (N - W))/(N - W), or min_lr for W = 1"
    )
    source = f"{SOURCE}; Chen et al. 2021, arXiv:2107.04197"
    aliases = ("rex", "reflected exponential")
    example = {"max_lr": 2e-4, "min_lr": 2e-5, "total_steps": 100, "num_warmup_steps": 10}

    @model_validator(mode="after")
    def _in_order(self) -> "AxolotlRexLR":
        if self.min_lr > self.max_lr:
            raise ValueError("`min_lr` must not be above `max_lr`.")
        if self.num_warmup_steps > self.total_steps:
            raise ValueError("`num_warmup_steps` must not be above `total_steps`.")
        return self

    def lower(self) -> Spec:
        """constant, ramp, formula, constant"""
        warmup, steps = self.num_warmup_steps, self.total_steps - self.num_warmup_steps
        fall = formula(
            "peak * (m + (1 - m) * (z / (0.1 + 0.9 * z)))",
            peak=self.max_lr,
            m=self.min_lr / self.max_lr,
            z=f"({steps} - step) / {max(steps, 1)}",
        )
        first: Spec = constant(self.min_lr)
        if warmup > 1 and steps:
            first = clock(fall, (-warmup) % steps)
        rise = clock(ramp(0.0, self.max_lr, warmup), 1.0)
        level = max(warmup - 1, 0) if steps else warmup  # the top is the first step of the decay, if there is one
        return sequence((first, min(warmup, 1)), (rise, level), (fall, steps), (constant(self.min_lr), None))


class AxolotlCosineWithQuadraticWarmup(WarmedUp):
    """Up from 0 with the square of time, then a cosine down to 0, which rises again beyond `num_training_steps`."""

    kind: Literal["axolotl.cosine_with_quadratic_warmup"]

    formula = "base_lr*(t/W)^2 for t < W, then base_lr*(1 + cos(pi*p))/2, p = (t - W)/max(1, N - W)"
    source = SOURCE.format(name="get_cosine_schedule_with_quadratic_warmup")
    aliases = ("lr_quadratic_warmup",)
    example = {"num_warmup_steps": 10, "num_training_steps": 100, "base_lr": 2e-4}

    def lower(self) -> Spec:
        warmup, fall = (
            self.num_warmup_steps,
            waves(self.rate(), 0.0, self.num_warmup_steps, self.num_training_steps, 0.5),
        )
        return sequence((ramp(0.0, self.rate(), warmup, "power", power=2.0), warmup), (fall, None))


class AxolotlCosineWithWarmupDecayConstant(WarmedUp):
    """Up from 0 in a straight line, a cosine to a share of the rate, and that share for the last part of the run."""

    kind: Literal["axolotl.cosine_with_warmup_decay_constant"]
    constant_lr_ratio: Share
    """Share of the run at which the cosine ends."""
    min_lr_ratio: Share
    """Last rate as a share of the optimizer's."""

    formula = (
        "base_lr*t/W for t < W, then base_lr*(m + (1 - m)*(1 + cos(pi*p))/2), p = (min(t, C) - W)/max(1, C - W), "
        "C = floor(N*constant_lr_ratio)"
    )
    source = f"{SOURCE.format(name='get_cosine_schedule_with_warmup_decay_constant')}; arXiv:2308.04014"
    aliases = ("cosine_constant_lr_ratio",)
    example = AxolotlCosineWithQuadraticWarmup.example | {"constant_lr_ratio": 0.8, "min_lr_ratio": 0.1}
    lasts = True

    def lower(self) -> Spec:
        rate, warmup = self.rate(), self.num_warmup_steps
        end = int(self.num_training_steps * self.constant_lr_ratio)
        if end <= warmup:
            raise ValueError("`constant_lr_ratio` ends the cosine before the warm-up is over.")
        fall = ramp(rate, rate * self.min_lr_ratio, end - warmup, "cosine")
        return sequence((ramp(0.0, rate, warmup), warmup), (fall, None))


MINIMUM = "transformers.cosine_with_min_lr"
SHIPPED = "deepspeed_configs/"  # axolotl's own files for DeepSpeed have no scheduler
FIELDS = (
    *(
        "learning_rate",
        "lr_scheduler",
        "lr_scheduler_kwargs",
        "warmup_steps",
        "warmup_ratio",
        "num_epochs",
        "max_steps",
    ),
    *("cosine_min_lr_ratio", "cosine_constant_lr_ratio", "lr_quadratic_warmup", "deepspeed"),
)
WHY = {
    "gradient_accumulation_steps": "a step is an update",
    "micro_batch_size": "a step is an update, whatever its size",
    "num_epochs": "`max_steps` or `total_steps` says how long the run is",
    "max_steps": "not needed by this schedule",
    "weight_decay": "constant: no scheduler drives it",
    "loraplus_lr_embedding": "without `loraplus_lr_ratio` it does nothing",
    "qat": "quantization",
}
REFUSED = {
    **dict.fromkeys(
        ("loraplus_lr_ratio", "embedding_lr", "embedding_lr_scale", "lr_groups"),
        "it gives groups of parameters rates of their own: write derived tracks",
    ),
    **dict.fromkeys(
        ("relora", "relora_steps", "relora_warmup_steps", "relora_anneal_steps", "jagged_restart_steps"),
        "it restarts the rate again and again: write `repeat`",
    ),
    "lisa_step_interval": "layers take turns",
    "cosine_with_min_lr": "axolotl has `cosine_min_lr_ratio`",
}


@reads(
    "axolotl",
    source="axolotl.core.builders and .trainers.mixins.scheduler, axolotl 0.9",
    checked="the formulas of its source",
    marks=(
        *(f"learning_rate {own}" for own in ("micro_batch_size", "cosine_min_lr_ratio", "lr_quadratic_warmup")),
        *("base_model datasets learning_rate", "base_model num_epochs", "cosine_min_lr_ratio"),
    ),
    fields=FIELDS,
    ignored=WHY,
    refused=REFUSED,
)
def read(fields: Fields, given: Given) -> Found:
    """One track, `lr`, and `momentum` with `one_cycle`."""
    if isinstance(fields.data.get("deepspeed"), str) and not fields.data["deepspeed"].startswith(SHIPPED):
        raise fields.bad("deepspeed", "a scheduler in this file takes the place of axolotl's: import that one instead")
    fields.get("deepspeed", why="one of axolotl's own, which has no scheduler")
    spec = _spec(fields, _name(fields), _rate(fields), given)
    places = {"base_lr": "learning_rate", "max_lr": "learning_rate", "num_warmup_steps": "warmup_steps"}
    places |= dict.fromkeys(("num_training_steps", "total_steps"), "max_steps")
    places |= {"min_lr_rate": "cosine_min_lr_ratio", "scheduler_specific_kwargs": "lr_scheduler_kwargs"}
    tracks = {"lr": spec}
    if spec["kind"] == "torch.OneCycleLR" and spec.get("cycle_momentum", True):
        tracks["momentum"] = spec | {"quantity": "momentum"}
    return Found(tracks, names={name: fields.at(place) for name, place in places.items()})


def _spec(fields: Fields, name: str, rate: float, given: Given) -> Json:
    own = fields.inside("lr_scheduler_kwargs").copy(fields.data["lr_scheduler_kwargs"]) if _has_own(fields) else {}
    if name in WITHOUT_LENGTH and (name in WITHOUT_WARMUP or "warmup_steps" in fields):
        total = 0
    else:
        total = length(fields, given, "num_epochs", 1.0)
    run = {"num_warmup_steps": _warmup(fields, total), "num_training_steps": total}
    floor = fields.number("cosine_min_lr_ratio", 0.0)
    match name:
        case "one_cycle":
            share = {"pct_start": run["num_warmup_steps"] / total}
            return {"kind": "torch.OneCycleLR", "max_lr": rate, "total_steps": total} | share | own
        case "rex":
            warmup = run["num_warmup_steps"]
            lengths = {"total_steps": total, "num_warmup_steps": warmup}
            return {"kind": "axolotl.RexLR", "max_lr": rate, "min_lr": rate * floor} | lengths
        case "cosine" if fields.flag("lr_quadratic_warmup", False):
            return {"kind": "axolotl.cosine_with_quadratic_warmup", "base_lr": rate} | run
        case "cosine" if floor and fields.number("cosine_constant_lr_ratio", 0.0):
            shares = {"constant_lr_ratio": fields.number("cosine_constant_lr_ratio"), "min_lr_ratio": floor}
            return {"kind": "axolotl.cosine_with_warmup_decay_constant", "base_lr": rate} | run | shares
        case "cosine" if floor:
            own = {"min_lr_rate": floor} | own
            return {"kind": MINIMUM, "base_lr": rate, "scheduler_specific_kwargs": own} | run
    spec: Json = {"kind": f"transformers.{name}", "base_lr": rate} | ({"scheduler_specific_kwargs": own} if own else {})
    return spec | {key: value for key, value in run.items() if total or key == "num_warmup_steps"}


def _name(fields: Fields) -> str:
    known = [kind.partition(".")[2] for kind in KINDS if kind.startswith("transformers.") and kind.count(".") == 1]
    return fields.choice("lr_scheduler", [*known, "one_cycle", "rex"], "cosine")


def _has_own(fields: Fields) -> bool:
    return bool(fields.data.get("lr_scheduler_kwargs"))


def _rate(fields: Fields) -> float:
    """The rate, which may be a text here: axolotl makes a number of YAML's 2e-5."""
    try:
        return float(fields.text("learning_rate"))
    except (Invalid, ValueError):
        return fields.number("learning_rate")


def _warmup(fields: Fields, total: int) -> int:
    """The length of the warm-up in updates: 3 % of the run, at most 100, where nothing says it; never 1."""
    if "warmup_steps" in fields:
        steps = fields.whole("warmup_steps")
    elif "warmup_ratio" in fields:
        steps = max(int(fields.number("warmup_ratio") * total), 0)
    else:
        steps = min(int(0.03 * total), 100)
    return 2 if steps == 1 else steps
