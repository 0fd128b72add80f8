"""`docs/warnings.md`: every warning, with a request that gets it and what to write instead.

The warnings come from the engine, so the page cannot say what the service does not. So does its table: what is found
in the catalogue's examples, each in a run of half its natural length, of that, and of twice that, beside what is true
of their curves, which `warnings.json` has, read off by hand. A kind that is not there has nothing to warn of, and is
looked at in runs of 50, 100 and 200 steps.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import app.dialects  # noqa: F401 - the libraries' kinds
from app.control import revisions, runs
from app.control.cache import Cache
from app.control.context import Control
from app.control.importing import imported
from app.control.schedules import explain
from app.identity import ANONYMOUS
from app.store import open_store
from schemas.evaluate import Explain
from schemas.importing import Import
from schemas.runs import RevisionCreate, RunCreate
from schemas.specs import KINDS

PAGE = Path(__file__).with_name("warnings.md")
HEAD = """# Warnings

<!-- Written by `make docs`; do not edit. -->

A warning is `{"code", "detail", "pointer"}`: the request is accepted, and this is what its author should know. Whoever
creates a run, revises one, previews that, imports a configuration, evaluates or explains a plan is told the same of the
same plan. What happens to a run is read off its curve, at thousands of steps whatever its length: how a schedule is
written, and in whose names, does not matter."""
TRUE = PAGE.with_suffix(".json")
LENGTHS = {"half": 0.5, "whole": 1.0, "double": 2.0}
TABLE = """## What is found in the catalogue

Each of the {kinds} kinds' examples, in a run of its natural length (that of its decay; 100 steps where it has none), of
half of it and of twice it. What is due was written by this very code and then looked through: a guard against change.

| warning | due | found | missed | false |
|---|---|---|---|---|
{rows}"""

Json = dict[str, Any]

COSINE: Json = {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": "100%"}
LINE: Json = {"kind": "ramp", "start": 0.1, "end": 0.0, "steps": 1000}
LEVEL: Json = {"kind": "constant", "value": 0.1}
WARMED: Json = {"kind": "warmup_cosine", "start": 1e-6, "warmup_steps": "5%", "decay_steps": "95%"}
STANDS: Json = {"last_epoch": 0, "_last_lr": [0.004]}
OPTIMIZER: Json = {"param_groups": [{"initial_lr": 0.004, "max_lr": 0.1, "min_lr": 4e-7}]}
PLATEAU: Json = {
    "mode": "min",
    "factor": 0.5,
    "patience": 3,
    "threshold": 1e-4,
    "threshold_mode": "rel",
    "cooldown": 0,
    "cooldown_counter": 0,
    "eps": 1e-8,
    "min_lrs": [0.0],
    "best": 0.9,
    "num_bad_epochs": 2,
    "last_epoch": 7,
    "_last_lr": [0.025],
}
ACCURACY: Json = {
    "lr_scheduler_type": "reduce_lr_on_plateau",
    "metric_for_best_model": "accuracy",
    "learning_rate": 5e-5,
    "max_steps": 100,
}
NANOGPT: Json = {"learning_rate": 6e-4, "max_iters": 600_000, "warmup_iters": 2000, "lr_decay_iters": 600_000}
HF: Json = {"kind": "transformers.linear", "base_lr": 5e-5, "num_warmup_steps": 100, "num_training_steps": 1000}
MEGATRON: Json = KINDS["megatron.OptimizerParamScheduler"].example | {"lr_warmup_steps": 100}


@dataclass(frozen=True)
class Entry:
    """A warning: what is behind it, a request that gets it, and one that says what was meant."""

    why: str
    example: Json
    instead: Json | str
    """A request, or a sentence where there is none."""


def over(schedule: Json, total_steps: int = 1000, **more: Any) -> Json:
    """A schedule, and the length of its run."""
    return {"schedule": schedule, "total_steps": total_steps, **more}


def revised(action: Json, schedule: Json = LINE, from_step: int = 500) -> Json:
    """A revision of a run of 1,000 steps."""
    return {"action": action, "from_step": from_step, "plan": {"tracks": {"lr": schedule}, "total_steps": 1000}}


def warmed(steps: float | str, then: Json) -> Json:
    """A warm-up that begins above 0."""
    return {"kind": "warmup", "start": 1e-4, "steps": steps, "then": then}


def torch_cycle(**more: Any) -> Json:
    """The state of a new OneCycleLR of 100 steps, up to 0.1."""
    phases = [{"end_step": 29.0}, {"end_step": 99}]
    about = {"total_steps": 100, "_schedule_phases": phases, "_anneal_func_type": "cos", "cycle_momentum": False}
    return about | {"base_lrs": [0.004], "last_epoch": 0, "_last_lr": [0.004]} | more


def deepspeed(**params: Any) -> Json:
    """A configuration with a rate of 5e-7 in the optimizer."""
    params["warmup_min_lr"] = 1e-8
    return {"config": {"optimizer": {"params": {"lr": 5e-7}}, "scheduler": {"type": "WarmupDecayLR", "params": params}}}


ENTRIES: dict[str, Entry] = {
    "above-its-peak": Entry(
        "The curve goes on to more than is called its peak. A digit is wrong, or two values are exchanged.",
        over(WARMED | {"peak": 1e-5, "end": 1e-4}),
        over(WARMED | {"peak": 1e-4, "end": 1e-5}),
    ),
    "always-zero": Entry(
        "No update of the run changes anything. Here a share of 0 % leaves the second part at its end, which the "
        "warm-up then leads to.",
        over({"kind": "warmup", "steps": "100%", "then": COSINE | {"end": 0.0, "steps": "0%"}}),
        over({"kind": "range_test", "start": 1e-5, "end": 0.1, "steps": "100%"}),
    ),
    "below-one-step": Entry(
        "A duration is a number of steps. A share of the run is a text with a `%`.",
        over(warmed(0.05, COSINE)),
        over(warmed("5%", COSINE | {"steps": "95%"})),
    ),
    "changes-nothing": Entry(
        "The revision is stored and counts, but the values are what they were. Often a controller acts twice.",
        revised({"kind": "scale", "factor": 1.0}),
        revised({"kind": "scale", "factor": 0.8}),
    ),
    "curve-dropped": Entry(
        "`set` is for ever: what was to come is gone, until a `rollback`.",
        revised({"kind": "set", "value": 0.06}),
        revised({"kind": "scale", "to": 0.06}),
    ),
    "cycle-cut": Entry(
        "What is repeated is longer than a cycle, so that its end is never seen.",
        over({"kind": "repeat", "of": COSINE | {"steps": 300}, "steps": 200}),
        over({"kind": "repeat", "of": COSINE | {"steps": 200}, "steps": 200}),
    ),
    "default-peak": Entry(
        "DeepSpeed does not ask the optimizer: without `warmup_max_lr`, WarmupDecayLR goes up to its own default.",
        deepspeed(warmup_num_steps=10, total_num_steps=100),
        deepspeed(warmup_num_steps=10, total_num_steps=100, warmup_max_lr=5e-7),
    ),
    "end-never-comes": Entry(
        "The schedule is laid out for a longer run: this one ends while the rate is still high.",
        over(MEGATRON | {"init_lr": 1e-5, "lr_decay_steps": 32_000}),
        over(MEGATRON | {"init_lr": 1e-5, "lr_decay_steps": 1000}),
    ),
    "ends-early": Entry(
        "The schedule is laid out for a shorter run: the rest of it goes by at the last rate.",
        over(LINE, 5000),
        over(LINE | {"steps": "100%"}, 5000),
    ),
    "floor-above-peak": Entry(
        "What is called a lowest rate is above all others, so that the curve rises to it. A digit is wrong.",
        over({"kind": "torch.CosineAnnealingLR", "base_lr": 2e-5, "T_max": 1000, "eta_min": 1e-4}),
        over({"kind": "torch.CosineAnnealingLR", "base_lr": 2e-5, "T_max": 1000, "eta_min": 1e-6}),
    ),
    "jump": Entry(
        "One part does not lead to the next, or a revision changes the rate by more than half at once.",
        over(
            {
                "kind": "sequence",
                "phases": [
                    {"schedule": {"kind": "ramp", "start": 0.01, "end": 0.1, "steps": 100}, "steps": 100},
                    {"schedule": {"kind": "ramp", "start": 0.3, "end": 0.0, "steps": 900}},
                ],
            }
        ),
        over(warmed(100, {"kind": "ramp", "start": 0.3, "end": 0.0, "steps": 900})),
    ),
    "looks-like-epochs": Entry(
        "The curve is over when as many steps are done as the run has epochs.",
        over({"kind": "torch.MultiStepLR", "base_lr": 0.1, "milestones": [30, 60, 80]}, 9000, steps_per_epoch=100),
        over(
            {"kind": "piecewise", "boundaries": ["30ep", "60ep", "80ep"], "values": [0.1, 0.01, 0.001, 1e-4]},
            9000,
            steps_per_epoch=100,
        ),
    ),
    "mode-stays-min": Entry(
        "The Trainer knows that the metric should rise, and does not tell the scheduler, which takes gains for none.",
        {"config": ACCURACY},
        {"config": ACCURACY | {"lr_scheduler_kwargs": {"mode": "max"}}},
    ),
    "momentum-left-out": Entry(
        "A member of a SequentialLR or a ChainedScheduler drives the momentum too; only its rate is read.",
        {"config": {"_schedulers": [torch_cycle(cycle_momentum=True)]} | STANDS, "optimizer": OPTIMIZER},
        {"config": {"_schedulers": [torch_cycle()]} | STANDS, "optimizer": OPTIMIZER},
    ),
    "negative": Entry(
        "An optimizer would climb. `evaluate` shows such values; a run refuses them.",
        over(COSINE | {"end": -0.01}),
        over(COSINE | {"end": 0.0}),
    ),
    "never-changes": Entry(
        "All milestones lie beyond the end of the run.",
        over({"kind": "torch.MultiStepLR", "base_lr": 1e-5, "milestones": [210_000, 250_000]}, 2000),
        over({"kind": "torch.MultiStepLR", "base_lr": 1e-5, "milestones": [1400, 1800]}, 2000),
    ),
    "no-scheduler": Entry(
        "A configuration has an optimizer and no scheduler: the rate is constant, unless the script says more.",
        {"config": {"train_batch_size": 8, "optimizer": {"type": "AdamW", "params": {"lr": 3e-4}}}},
        "Import what makes the schedule, or write it yourself.",
    ),
    "other-rate": Entry(
        "A saved scheduler stands at another rate than its own fields give: something else set it, or it was stepped "
        "otherwise, once for each process for example.",
        {"config": {"T_max": 100, "eta_min": 0.0, "base_lrs": [0.1], "last_epoch": 50, "_last_lr": [0.01]}},
        "Look for what else sets the rate. To go on from the rate that there is, post a revision, `scale` with `to`.",
    ),
    "past-the-end": Entry(
        "The library has no value there and raises an error; here the last one is held to the end of the run.",
        over({"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 500}),
        over({"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 1000}),
    ),
    "rate-of-now": Entry(
        "torch keeps the rate of a plateau's scheduler as it is now, and not the one that it began with.",
        {"config": PLATEAU},
        {"config": PLATEAU, "base_lr": 0.1},
    ),
    "rates-in-optimizer": Entry(
        "torch keeps the rates of a OneCycleLR in the optimizer, and its state_dict has not come along.",
        {"config": torch_cycle()},
        {"config": torch_cycle(), "optimizer": OPTIMIZER},
    ),
    "reduces-on-improvement": Entry(
        "The rule counts reports without a gain until there are exactly `patience`. With 0, that is every gain.",
        over({"kind": "reduce_on_plateau", "of": LEVEL, "metric": "loss", "patience": 0, "patience_test": "equal"}),
        over({"kind": "reduce_on_plateau", "of": LEVEL, "metric": "loss", "patience": 1, "patience_test": "equal"}),
    ),
    "rises-again": Entry(
        "The library's cosine does not stop at its end: the rate climbs back, and nobody expects it.",
        over({"kind": "torch.CosineAnnealingLR", "base_lr": 0.1, "T_max": 500}),
        over({"kind": "torch.CosineAnnealingLR", "base_lr": 0.1, "T_max": 1000}),
    ),
    "signed-threshold": Entry(
        "torch's rule wants a gain of a share of the best value, with its sign: of a metric below 0, none is one.",
        over({"kind": "reduce_on_plateau", "of": LEVEL, "metric": "reward", "mode": "max", "threshold_mode": "signed"}),
        over({"kind": "reduce_on_plateau", "of": LEVEL, "metric": "reward", "mode": "max", "threshold_mode": "rel"}),
    ),
    "skipped": Entry(
        "A phase of length 0 is legal, and never seen.",
        over({"kind": "sequence", "phases": [{"schedule": LEVEL, "steps": 0}, {"schedule": COSINE}]}),
        over(COSINE),
    ),
    "starts-at-zero": Entry(
        "The first update has rate 0 and does nothing. Many libraries' warm-ups begin so; it costs one step.",
        over(HF),
        over(warmed(100, {"kind": "ramp", "start": 5e-3, "end": 0.0, "steps": 900})),
    ),
    "warmup-longer-than-run": Entry(
        "The run ends in its warm-up.",
        over({"kind": "warmup_cosine", "peak": 0.1, "start": 0.01, "warmup_steps": 2000, "decay_steps": 8000}),
        over({"kind": "warmup_cosine", "peak": 0.1, "start": 0.01, "warmup_steps": "20%", "decay_steps": "80%"}),
    ),
    "warmup-of-now": Entry(
        "nanoGPT changed its warm-up by a step, and the file does not say which of the two it is for.",
        {"config": NANOGPT},
        "Take the schedule as it is, or write the warm-up of your nanoGPT yourself.",
    ),
    "warmup-without-target": Entry(
        "Keras makes a warm-up only where `warmup_target` says what it leads to.",
        over({"kind": "keras.CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 1000, "warmup_steps": 100}),
        over(
            {
                "kind": "keras.CosineDecay",
                "initial_learning_rate": 0.001,
                "warmup_target": 0.1,
                "warmup_steps": 100,
                "decay_steps": 900,
            }
        ),
    ),
}
UNSHOWN = {
    "workers-away": "Some of the run's workers have not been heard of lately. The change holds for them too, but "
    "whether they still train is worth a look: `GET /v1/runs/{run}/workers`.",
}
"""Warnings that no single request gets."""


def warnings(request: Mapping[str, Any]) -> list[Json]:
    """What the service says to a request: an import, a revision of a run with a plan, or else an explanation."""
    if "config" in request:
        found = imported(Import.model_validate(request))["warnings"]
    elif "action" in request:
        found = _previewed(request)
    else:
        found = explain(Explain.model_validate(request))["warnings"]
    shown: list[Json] = found
    return shown


def _previewed(request: Mapping[str, Any]) -> list[Json]:
    revision = RevisionCreate.model_validate({name: request[name] for name in ("action", "from_step")})
    with TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/lockstep.db")
        try:
            control = Control(store, Cache(store, 2**20))
            runs.create(control, RunCreate.model_validate({"run": "a", "plan": request["plan"]}), ANONYMOUS)
            return [warning.model_dump() for warning in revisions.preview(control, "a", revision, ANONYMOUS).warnings]
        finally:
            store.close()


def page() -> str:
    """The whole page."""
    contents = ", ".join(f"[{code}](#{code})" for code in sorted([*ENTRIES, *UNSHOWN]))
    sections = {code: _section(code, entry) for code, entry in ENTRIES.items()}
    sections |= {code: f"## {code}\n\n{why}" for code, why in UNSHOWN.items()}
    return "\n\n".join([HEAD, contents, *(sections[code] for code in sorted(sections)), _table()]) + "\n"


def counted() -> tuple[Counter[str], Counter[str], Counter[str]]:
    """How many times each warning is due in the catalogue, was found where it is, and where it is not."""
    due, found, false = Counter[str](), Counter[str](), Counter[str]()
    true: dict[str, dict[str, Any]] = json.loads(TRUE.read_text(encoding="utf-8"))
    for kind, model in KINDS.items():
        expected = true.get(kind, {})
        for name, share in LENGTHS.items() if model.nests else ():
            request = over(model.example, int(share * expected.get("length", 100)), steps_per_epoch=10)
            codes = {warning["code"] for warning in warnings(request)}
            wanted = set(expected.get(name, []))
            due.update(wanted)
            found.update(codes & wanted)
            false.update(codes - wanted)
    return due, found, false


def _table() -> str:
    due, found, false = counted()
    rows = [
        f"| {code} | {due[code]} | {found[code]} | {due[code] - found[code]} | {false[code]} |"
        for code in sorted(due | false)
    ]
    return TABLE.format(kinds=sum(model.nests for model in KINDS.values()), rows="\n".join(rows))


def _section(code: str, entry: Entry) -> str:
    answer = [warning for warning in warnings(entry.example) if warning["code"] == code]
    instead = [entry.instead] if isinstance(entry.instead, str) else ["Instead:", _block(entry.instead)]
    return "\n\n".join([f"## {code}", entry.why, _block(entry.example), "gets", _block(answer), *instead])


def _block(data: Any) -> str:
    return f"```json\n{json.dumps(data)}\n```"
