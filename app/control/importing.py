"""Use case: turn what a library wrote about its scheduler into a schedule or a plan, and check it against itself."""

from typing import Any

from pydantic import ValidationError

from app.errors import Invalid
from app.reading import Fields, Found, Given, Notes, reader_of
from app.schedules import compile_plan
from app.schedules.compiled import follows_metric
from schemas.importing import Import
from schemas.plans import Plan

CLOSE = 1e-6  # a float32 library rounds; anything beyond is another rate


def imported(request: Import) -> dict[str, Any]:
    """The schedule, or the plan of several tracks, that a configuration describes, with what was read and ignored.

    Raises `Invalid` at the field that is missing, wrong, or holds what no schedule can say.
    """
    library, reader = reader_of(request.config, request.library)
    notes = Notes()
    given = Given(request.base_lr, request.total_steps, request.steps_per_epoch, request.optimizer)
    found = reader.read(Fields(request.config, "/config", notes), given)
    plan = _plan(found, notes)
    _compare(plan, found, notes)
    tracks = plan.to_json()["tracks"]
    answer = {"plan": {"tracks": tracks}} if len(tracks) > 1 else {"schedule": tracks["lr"]}
    return {
        **answer,
        "library": library,
        "step": found.step,
        **{name: [note.model_dump() for note in getattr(notes, name)] for name in ("read", "ignored", "warnings")},
    }


def _plan(found: Found, notes: Notes) -> Plan:
    """The tracks as a plan that makes curves; errors point at the field that the parameter was read from."""
    places = {note.pointer.rpartition("/")[2]: note.pointer for note in reversed(notes.read)}
    try:
        plan = Plan.model_validate({"tracks": dict(found.tracks)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = [str(part) for part in first["loc"]]
        pointer = next((places[name] for name in reversed(names) if name in places), "/config")
        raise Invalid.at(pointer, f"{names[-1]}: {first['msg']}") from error
    try:
        compile_plan(plan)
    except Invalid as error:
        raise Invalid.at("/config", error.detail) from error
    return plan


def _compare(plan: Plan, found: Found, notes: Notes) -> None:
    """Warn where the rate that the configuration itself gives for its step is another."""
    if found.step is None or found.rate is None or follows_metric(plan):
        return
    value = float(compile_plan(plan).at("lr", [found.step])[0])
    if abs(value - found.rate) > CLOSE * max(abs(value), abs(found.rate)):
        notes.warn(
            "other-rate",
            f"The configuration's own rate at step {found.step} is {found.rate!r}, this schedule's is {value!r}: the "
            "rate was changed from outside, or the schedule was stepped otherwise.",
            "/config/_last_lr",
        )
