"""Values of schedules in tests, and the small schedules that they are made of."""

from typing import Any

from app.schedules import compile_plan, resolve
from schemas.plans import Plan

Json = dict[str, Any]


def curve(schedule: Json, steps: Any, total: int = 100) -> list[float]:
    plan = Plan.model_validate({"tracks": {"lr": schedule}, "total_steps": total, "steps_per_epoch": 10.0})
    values: list[float] = compile_plan(resolve(plan)).at("lr", steps).tolist()
    return values


def ramp(**fields: Any) -> Json:
    return {"kind": "ramp", "start": 0.1, "end": 0.02, "steps": 40, **fields}


def constant(value: float) -> Json:
    return {"kind": "constant", "value": value}


SAW = {"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 10}
