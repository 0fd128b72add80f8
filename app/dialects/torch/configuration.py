"""PyTorch: the `state_dict()` of a scheduler. It names no class, but the fields of each class are its own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app.errors import Invalid
from app.reading import Fields, Found, Given, Json, reads
from schemas.base import MAX_STEP

PLAIN = {  # the field that only this one has -> kind, and its parameters
    "T_0": ("torch.CosineAnnealingWarmRestarts", ("T_0", "T_mult", "eta_min")),
    "T_max": ("torch.CosineAnnealingLR", ("T_max", "eta_min")),
    "step_size": ("torch.StepLR", ("step_size", "gamma")),
    "start_factor": ("torch.LinearLR", ("start_factor", "end_factor", "total_iters")),
    "power": ("torch.PolynomialLR", ("total_iters", "power")),
    "factor": ("torch.ConstantLR", ("factor", "total_iters")),
    "gamma": ("torch.ExponentialLR", ("gamma",)),  # after all the others that have one
}
PLATEAU = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps")
KEPT = ("best", "num_bad_epochs", "cooldown_counter")  # what a plateau has come to, beside the rate
WHY = {
    "T_i": "follows from the step",
    "T_cur": "follows from the step",
    "mode_worse": "follows from `mode`",
    "default_min_lr": "`min_lrs` says it",
    "use_beta1": "the track `momentum` is the first beta where there are betas",
}
WHY |= dict.fromkeys(KEPT, "the plateau starts anew")
WHY |= dict.fromkeys(
    ("_step_count", "_is_initial", "_get_lr_called_within_step", "_initial_step", "verbose"), "torch's own bookkeeping"
)
FIELDS = (
    *(name for _, parameters in PLAIN.values() for name in parameters),
    *PLATEAU,
    *("base_lrs", "last_epoch", "_last_lr", "min_lrs", "milestones", "_schedulers", "_milestones", "lr_lambdas"),
    *("total_steps", "_schedule_phases", "_anneal_func_type", "cycle_momentum", "base_momentums", "max_momentums"),
    *("max_lrs", "total_size", "step_ratio", "scale_mode", "_scale_fn_custom", "anneal_epochs", "_anneal_strategy"),
)
NO_FUNCTION = (
    "a state_dict does not hold the function of a {}. Write it as a formula: "
    '{{"kind": "torch.LambdaLR", "lr_lambda": "0.95 ** epoch", "base_lr": 0.1}}; '
    "for a schedule of transformers, import its TrainingArguments"
)


@reads(
    "torch",
    source="torch.optim.lr_scheduler, torch 2.13: `state_dict()`",
    checked="torch itself",
    marks=("base_lrs", "_schedulers", "min_lrs", "_last_lr"),
    fields=FIELDS,
    ignored=WHY,
)
def read(fields: Fields, given: Given) -> Found:
    """A track `lr`, or one per parameter group where they differ, and `momentum` where that cycles too."""
    optimizer = None if given.optimizer is None else Fields(given.optimizer, "/optimizer", fields.notes)
    count, spec, quantities = _scheduler(fields, given, optimizer)
    groups = [spec(group) for group in range(count)]
    distinct = [group for group in range(count) if group == 0 or groups[group] != groups[0]]
    if optimizer is not None:
        optimizer.settle()
    tracks = {}
    for quantity in quantities:
        for group in distinct:
            name = f"{group}/{quantity}" if group else quantity
            tracks[name] = groups[group] | ({} if quantity == "lr" else {"quantity": quantity})
    step = fields.get("last_epoch", _first(fields, "last_epoch"), "the step it stands at")
    rate = _first_rate(fields)
    fields.settle(WHY, closed=True)
    return Found(tracks, step if isinstance(step, int) and 0 <= step <= MAX_STEP else None, rate)


Spec = Callable[[int], Json]  # of a parameter group


def _scheduler(fields: Fields, given: Given, optimizer: Fields | None) -> tuple[int, Spec, tuple[str, ...]]:
    """(number of groups, the spec of a group, what it drives) of a state, which may hold others."""
    if "_schedulers" in fields:
        return _composite(fields, given, optimizer)
    if "lr_lambdas" in fields:
        raise fields.bad("lr_lambdas", NO_FUNCTION.format("LambdaLR or MultiplicativeLR"))
    if "min_lrs" in fields:
        return _plateau(fields, given, optimizer)
    rates = fields.numbers("base_lrs")
    quantities = ("lr", "momentum") if fields.get("cycle_momentum") is True else ("lr",)
    if "_schedule_phases" in fields:
        return len(rates), _one_cycle(fields, rates, optimizer), quantities
    if "total_size" in fields:
        return len(rates), _cyclic(fields, rates), quantities
    if "anneal_epochs" in fields:
        return len(rates), _averaged(fields, rates, optimizer), quantities
    common = _plain(fields)
    return len(rates), lambda group: common | {"base_lr": rates[group]}, ("lr",)


def _plain(fields: Fields) -> Json:
    if "milestones" in fields:
        return {"kind": "torch.MultiStepLR", "milestones": _milestones(fields), "gamma": fields.number("gamma")}
    for name, (kind, parameters) in PLAIN.items():
        if name in fields.data:
            return {"kind": kind} | {parameter: fields.number(parameter) for parameter in parameters}
    raise Invalid.at(
        fields.pointer, "this is not the state_dict of a scheduler of torch.optim.lr_scheduler that Lockstep knows"
    )


def _milestones(fields: Fields) -> list[Any]:
    """A Counter, whose keys are texts in JSON."""
    counted = fields.take("milestones")
    if isinstance(counted, list):
        return counted
    try:
        pairs = [(int(milestone), int(times)) for milestone, times in counted.items()]
        if any(not 0 <= times <= 1000 for _, times in pairs):
            raise ValueError
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise fields.bad("milestones", 'this must be a count by milestone, such as {"30": 1, "80": 1}') from None
    return [milestone for milestone, times in sorted(pairs) for _ in range(times)]


def _composite(fields: Fields, given: Given, optimizer: Fields | None) -> tuple[int, Spec, tuple[str, ...]]:
    members = fields.take("_schedulers", "see inside")
    if not isinstance(members, list) or not members:
        raise fields.bad("_schedulers", "this must be a list of state_dicts")
    parts = [Fields(item, f"{fields.at('_schedulers')}/{index}", fields.notes) for index, item in enumerate(members)]
    inner = [_scheduler(part, given, optimizer) for part in parts]
    for part, (_, _, quantities) in zip(parts, inner, strict=True):
        if len(quantities) > 1:
            detail = "This one drives the momentum too, which is left out here: the rate alone is read."
            fields.notes.warn("momentum-left-out", detail, part.pointer)
    common: Json = {"kind": "torch.ChainedScheduler"}
    if "_milestones" in fields:
        common = {"kind": "torch.SequentialLR", "milestones": fields.take("_milestones")}
    rates = parts[0].numbers("base_lrs") if "base_lrs" in parts[0] else None
    for part in parts:
        part.settle(WHY | {"last_epoch": "follows from the step", "_last_lr": "follows from the step"}, closed=True)

    def spec(group: int) -> Json:
        own = [member(group) for _, member, _ in inner]
        base = given.base_lr if given.base_lr is not None else rates[group] if rates else own[0].get("base_lr")
        return common | {"base_lr": base, "schedulers": [_without_base(item, base) for item in own]}

    return min(count for count, _, _ in inner), spec, ("lr",)


def _without_base(member: Json, base: float | None) -> Json:
    """A member that reads the same rate inherits it."""
    return {name: value for name, value in member.items() if name != "base_lr" or value != base}


def _plateau(fields: Fields, given: Given, optimizer: Fields | None) -> tuple[int, Spec, tuple[str, ...]]:
    common = {"kind": "torch.ReduceLROnPlateau"}
    common |= {name: fields.take(name) for name in PLATEAU}
    bounds, rates = fields.numbers("min_lrs"), fields.numbers("_last_lr")
    if given.base_lr is not None:
        rates = [given.base_lr] * len(rates)
    elif fields.data.get("last_epoch"):
        fields.notes.warn(
            "rate-of-now",
            "The state holds the rate of now, not the first one; the schedule starts from it, as new: the best value "
            "so far and the reports without a gain are not taken over. Give `base_lr` for the whole curve.",
            fields.at("_last_lr"),
        )

    def spec(group: int) -> Json:
        return common | {"min_lr": bounds[min(group, len(bounds) - 1)], "base_lr": rates[group]}

    return len(rates), spec, ("lr",)


def _cyclic(fields: Fields, rates: list[float]) -> Spec:
    if fields.get("_scale_fn_custom") is not None:
        raise fields.bad("_scale_fn_custom", NO_FUNCTION.format("CyclicLR with `scale_fn`"))
    total, share = fields.number("total_size"), fields.number("step_ratio")
    up = total * share
    common = {"kind": "torch.CyclicLR", "step_size_up": up, "step_size_down": total - up}
    common |= fields.copy(("mode", "gamma", "scale_mode", "cycle_momentum"))
    lists = {"max_lr": fields.numbers("max_lrs")}
    lists |= {f"{side}_momentum": fields.numbers(f"{side}_momentums") for side in ("base", "max") if _cycles(fields)}
    return partial(_per_group, common, {"base_lr": rates, **lists})


def _one_cycle(fields: Fields, rates: list[float], optimizer: Fields | None) -> Spec:
    total, phases = fields.number("total_steps"), fields.take("_schedule_phases", "pct_start and three_phase")
    try:
        ends = [float(phase["end_step"]) for phase in phases]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise fields.bad("_schedule_phases", "this must be a list of phases with `end_step`") from None
    if len(ends) not in (2, 3) or total <= 0:
        raise fields.bad("_schedule_phases", "a OneCycleLR has two phases, or three, in `total_steps` steps")
    common = {"kind": "torch.OneCycleLR", "total_steps": int(total), "pct_start": (ends[0] + 1) / total}
    common |= {"three_phase": len(ends) == 3, "anneal_strategy": fields.take("_anneal_func_type")}
    common |= fields.copy(("cycle_momentum",))
    groups = None if optimizer is None else _param_groups(optimizer, len(rates))
    if groups is None:
        fields.notes.warn(
            "rates-in-optimizer",
            "OneCycleLR keeps `max_lr` and `min_lr` in the optimizer; without its state_dict as `optimizer` the "
            "defaults div_factor 25 and final_div_factor 10000 are assumed.",
            fields.at("base_lrs"),
        )
        return lambda group: common | {"max_lr": 25.0 * rates[group]}

    def spec(group: int) -> Json:
        own = groups[group]
        highest, lowest = own.number("max_lr"), own.number("min_lr")
        if not (highest > 0 and lowest > 0 and rates[group] > 0):
            raise Invalid.at(own.pointer, "the rates of a OneCycleLR must be above 0")
        found = {"max_lr": highest, "div_factor": highest / rates[group], "final_div_factor": rates[group] / lowest}
        return common | found | (own.copy(("base_momentum", "max_momentum")) if _cycles(fields) else {})

    return spec


def _averaged(fields: Fields, rates: list[float], optimizer: Fields | None) -> Spec:
    """SWALR, which keeps the rate that it leads to in the optimizer."""
    if optimizer is None:
        raise Invalid.at("/optimizer", "a SWALR keeps `swa_lr` in the optimizer: give its state_dict as `optimizer`")
    common = {"kind": "torch.SWALR", "anneal_epochs": fields.take("anneal_epochs")}
    common |= {"anneal_strategy": fields.take("_anneal_strategy")}
    goals = [own.number("swa_lr") for own in _param_groups(optimizer, len(rates))]
    return partial(_per_group, common, {"base_lr": rates, "swa_lr": goals})


def _cycles(fields: Fields) -> bool:
    return fields.get("cycle_momentum") is True


def _param_groups(optimizer: Fields, count: int) -> list[Fields]:
    groups = optimizer.take("param_groups", "see inside")
    if not isinstance(groups, list) or len(groups) < count:
        raise optimizer.bad("param_groups", f"this must be a list of {count} parameter groups")
    at = optimizer.at("param_groups")
    return [Fields(item, f"{at}/{index}", optimizer.notes) for index, item in enumerate(groups)]


def _per_group(common: Json, lists: Mapping[str, list[float]], group: int) -> Json:
    return common | {name: values[min(group, len(values) - 1)] for name, values in lists.items()}


def _first(fields: Fields, name: str) -> Any:
    """A field of the first member, where the state itself has none."""
    members = fields.data.get("_schedulers")
    return members[0].get(name) if isinstance(members, list) and members and isinstance(members[0], dict) else None


def _first_rate(fields: Fields) -> float | None:
    rates = fields.get("_last_lr", None, "compared with the schedule at that step")
    rate = rates[0] if isinstance(rates, list) and rates else None
    return rate if isinstance(rate, float) else None
