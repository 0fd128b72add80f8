"""Use case: turn what a library wrote about its scheduler into a schedule or a plan, and check it against itself."""

import re
from collections.abc import Mapping
from itertools import groupby
from math import ceil
from typing import Any

from pydantic import ValidationError

from app.errors import Invalid
from app.reading import Fields, Found, Given, Notes, reader_of
from app.schedules import CompiledPlan, compile_plan, pitfalls
from app.schedules.compiled import follows_metric
from app.texts import line_of, parsed
from app.validation import refused
from schemas.importing import Import
from schemas.plans import Plan

CLOSE = 1e-6  # a float32 library rounds; anything beyond is another rate
MAX_EPOCHS = 10_000
QUOTED = re.compile(r"`(\w+)`")


def imported(request: Import) -> dict[str, Any]:
    """The schedule, or the plan of several tracks, that a configuration describes, with what was read and ignored.

    Raises `Invalid` at the field that is missing, wrong, unknown where it could decide the rate, or holds what no
    schedule can say: by its own name, and for a text with its line where that is clear.
    """
    if request.text is None:
        return _imported(request, request.config or {}, "/config")
    try:
        return _imported(request, parsed(request.text, request.format), "/text")
    except Invalid as error:
        raise Invalid(
            _lined(request.text, *error.errors[0]) if error.errors else error.detail,
            errors=[(pointer, _lined(request.text, pointer, detail)) for pointer, detail in error.errors],
            **error.members,
        ) from error


def _imported(request: Import, config: Mapping[str, Any], base: str) -> dict[str, Any]:
    library, reader = reader_of(config, request.library, base)
    notes = Notes()
    given = Given(request.base_lr, request.total_steps, request.steps_per_epoch, request.optimizer, request.deepspeed)
    fields = Fields(config, base, notes)
    found = reader.read(fields, given)
    fields.settle(reader.ignored, reader.refused, reader.fields)
    if request.deepspeed is not None and not any(note.pointer.startswith("/deepspeed/") for note in notes.read):
        raise Invalid.at("/deepspeed", f"a configuration of {library} is not read together with DeepSpeed's")
    plan, compiled = _plan(found, notes, base)
    _compare(plan, compiled, found, notes, base)
    if found.epochs is not None:
        plan = _per_epoch(plan, compiled, found.epochs, given)
    _warn(plan, request, found, notes, base)
    tracks = plan.to_json()["tracks"]
    answer = {"schedule": tracks["lr"]} if set(tracks) == {"lr"} else {"plan": {"tracks": tracks}}
    return {
        **answer,
        "library": library,
        "step": found.step,
        **{name: [note.model_dump() for note in getattr(notes, name)] for name in ("read", "ignored", "warnings")},
    }


def _plan(found: Found, notes: Notes, base: str) -> tuple[Plan, CompiledPlan]:
    """The tracks as a plan that makes curves; errors point at the field that the parameter was read from."""
    body = {"tracks": dict(found.tracks)}
    try:
        plan = Plan.model_validate(body)
        return plan, compile_plan(plan)
    except ValidationError as error:
        wrong = refused(error, body, Plan)
    except Invalid as error:
        wrong = error
    told = [_in_the_file(*one, found.names, _read(notes), base) for one in wrong.errors or [("", wrong.detail)]]
    raise Invalid(told[0][1], errors=[*dict.fromkeys(told)])  # the tracks of one scheduler have the same ones


def _warn(plan: Plan, request: Import, found: Found, notes: Notes, base: str) -> None:
    """Warn of what the curve shows, at the fields that it was read from; what the reader has said is not said twice."""
    lengths = {"total_steps": request.total_steps, "steps_per_epoch": request.steps_per_epoch}
    said = {warning.code for warning in notes.warnings}
    seen = [warning for warning in pitfalls(plan.model_copy(update=lengths)) if warning.code not in said]
    places = [_in_the_file(warning.pointer, "", found.names, _read(notes), base)[0] for warning in seen]
    notes.warnings += dict.fromkeys(warning.at(place) for warning, place in zip(seen, places, strict=True))


def _read(notes: Notes) -> dict[str, str]:
    """The fields that were read, by their names."""
    return {note.pointer.rpartition("/")[2]: note.pointer for note in reversed(notes.read)}


def _in_the_file(
    pointer: str, detail: str, names: Mapping[str, str], read: Mapping[str, str], base: str
) -> tuple[str, str]:
    """An error at a parameter of a spec, as one at the field that it was read from, by the field's name."""
    parts, places = pointer.split("/"), {**read, **names}
    own = parts[3:]  # after the name of the track
    inner = [index for known in (names, read) for index in reversed(range(len(own))) if own[index] in known]
    named = [name for name in QUOTED.findall(detail) if name in places]
    at = base
    if inner:
        at = "/".join([places[own[inner[0]]], *own[inner[0] + 1 :]])
    elif named:
        at = places[named[0]]
    detail = QUOTED.sub(lambda found: f"`{places.get(found[1], found[1]).rpartition('/')[2]}`", detail)
    if own and not QUOTED.search(detail):
        detail = f"{places.get(own[-1], own[-1]).rpartition('/')[2]}: {detail}"
    return at, detail


def _per_epoch(plan: Plan, compiled: CompiledPlan, epochs: float, given: Given) -> Plan:
    """The plan in steps, of one that counts epochs and changes between them only: a level for each epoch."""
    if follows_metric(plan):
        raise Invalid.at("/library", "a schedule that follows a metric counts reports, not steps: give its kind itself")
    count = ceil(epochs)
    if count > MAX_EPOCHS:
        raise Invalid.at("/steps_per_epoch", f"more than {MAX_EPOCHS:,} epochs are too many levels")
    length = given.steps(1, "the rate changes from epoch to epoch")
    tracks = {}
    for name in plan.tracks:
        levels = enumerate(compiled.at(name, [*range(count + 1)]).tolist())
        knots = [next(same) for _, same in groupby(levels, key=lambda level: level[1])]
        tracks[name] = {"kind": "interpolate", "points": [[epoch * length, value] for epoch, value in knots]}
    return Plan.model_validate({"tracks": tracks})


def _compare(plan: Plan, compiled: CompiledPlan, found: Found, notes: Notes, base: str) -> None:
    """Warn where the rate that the configuration itself gives for its step is another."""
    if found.step is None or found.rate is None or follows_metric(plan):
        return
    value = float(compiled.at("lr", [found.step])[0])
    if abs(value - found.rate) > CLOSE * max(abs(value), abs(found.rate)):
        notes.warn(
            "other-rate",
            f"The configuration's own rate at step {found.step} is {found.rate!r}, this schedule's is {value!r}: the "
            "rate was changed from outside, or the schedule was stepped otherwise.",
            f"{base}/_last_lr",
        )


def _lined(text: str, pointer: str, detail: str) -> str:
    line = line_of(text, pointer.rpartition("/")[2]) if pointer.startswith("/text/") else None
    return detail if line is None else f"line {line}: {detail}"
