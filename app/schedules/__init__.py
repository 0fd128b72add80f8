"""Curves: plans and actions turned into numbers. Pure functions on NumPy; no HTTP, no database."""

from app.schedules.actions import apply_action, losses
from app.schedules.checks import check_finite
from app.schedules.compiled import CompiledPlan, Derived, compile_plan
from app.schedules.durations import resolve
from app.schedules.pitfalls import pitfalls
from app.schedules.sampling import decimate

__all__ = [
    "CompiledPlan",
    "Derived",
    "apply_action",
    "check_finite",
    "compile_plan",
    "decimate",
    "losses",
    "pitfalls",
    "resolve",
]
