"""Use cases on schedules that need no run: evaluate, explain, plot, and the catalogue."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import Invalid, NotFound, TooLarge, escape
from app.schedules import CompiledPlan, compile_plan, decimate, resolve
from app.schedules.arrays import groups
from app.schedules.catalogue import LENGTHS, entry, find
from app.schedules.compiled import compile_folded, follows_metric
from app.schedules.explain import segments, summary
from app.schedules.pitfalls import of_track
from app.schedules.plot import Line, Mark, line, render
from schemas.base import Warned
from schemas.evaluate import Evaluate, Explain, MetricValue, Plot, StepRange, Subject
from schemas.plans import Plan
from schemas.specs import KINDS

MAX_VALUES = 10_000_000  # of an answer in bytes
MAX_JSON_VALUES = 2_000_000
FAR = 2**40  # joins of a schedule without an end are looked for below this step
MAX_WORK = 4_000_000_000  # passes over values, about a nanosecond each
ONLY = "lr"  # name of the track that a lone schedule becomes

Values = NDArray[np.float64]
Pieces = list[tuple[int, CompiledPlan]]


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found: values by track at steps."""

    request: Evaluate
    steps: StepRange | list[int]
    values: dict[str, Values]
    plan: Plan
    compiled: CompiledPlan

    def answer(self) -> dict[str, Any]:
        """As JSON data, in the shapes of ALGEBRA §1."""
        if self.request.step is not None:
            one = {name: float(values[0]) for name, values in self.values.items()}
            return {"step": self.request.step, "value": one if self.request.plan is not None else one[ONLY]}
        many = {name: values.tolist() for name, values in self.values.items()}
        steps = self.steps.model_dump() if isinstance(self.steps, StepRange) else self.steps
        return {
            "steps": steps,
            "values": many if self.request.plan is not None else many[ONLY],
            "dtype": "float64",
            "warnings": [warning.model_dump() for warning in self.warnings()],
        }

    def warnings(self) -> list[Warned]:
        """What explain warns of. It costs more than the values of a few steps: nobody asks for those of one step."""
        found = (_warnings(self.request, self.plan, self.compiled, name) for name in self.compiled.base)
        return list(dict.fromkeys(chain.from_iterable(found)))


def evaluate(request: Evaluate, *, limit: int = MAX_JSON_VALUES) -> Evaluation:
    """The values that a request asks for; at most `limit` of them.

    Raises `Invalid` for a spec that makes no curve, for durations without the lengths they need, and with the step for
    a value that is not finite; `TooLarge` for too many values.
    """
    plan = plan_of(request)
    steps = _steps(request, plan)
    count = _count(steps)
    names = sorted(plan.tracks)
    if count * len(names) > MAX_VALUES or (request.points is None and count * len(names) > limit):
        raise TooLarge(
            f"{count:,} steps of {len(names)} tracks are more than {limit:,} values; ask for a part, or for `points`"
        )
    with pointed_at(request):
        compiled = compile_plan(plan)
    pieces = [(0, compiled)] if request.metrics is None else _folded(request.metrics, plan)
    if count * pieces[0][1].cost() > MAX_WORK:
        raise TooLarge(f"{count:,} steps of this take too long to compute; ask for fewer, or for a wider `stride`")
    with pointed_at(request):
        values = {name: _values(pieces, name, steps) for name in names}
        for name, column in values.items():
            _refuse_nonfinite(name, column, steps)
    if request.points is not None and request.step is None and count > request.points:
        steps, values = _decimated(request.points, pieces, steps, values)
    return Evaluation(request, steps, values, plan, compiled)


def explain(request: Explain) -> dict[str, Any]:
    """What a schedule means, or every base track of a plan: lowered form, pieces, extremes, area, warnings.

    Raises as `evaluate` does.
    """
    plan = plan_of(request)
    with pointed_at(request):
        compiled = compile_plan(plan)
        tracks = {name: _explained(request, plan, compiled, name) for name in compiled.base}
    if request.schedule is not None:
        return tracks[ONLY]
    derived = {name: {"of": item.of, "times": item.times} for name, item in sorted(compiled.derived.items())}
    warnings = [warning for track in tracks.values() for warning in track["warnings"]]
    return {"tracks": tracks, "derived": derived, "warnings": warnings}


def _explained(request: Explain, plan: Plan, compiled: CompiledPlan, name: str) -> dict[str, Any]:
    steps = _range(request, plan, compiled, name)
    count = _count(steps)
    if count > MAX_VALUES or count * compiled.cost() > MAX_WORK:
        raise TooLarge(f"{count:,} steps are too many to look at; give `steps` with a `stride`")
    values = compiled.values(name, steps.start, steps.stop, steps.stride)
    _refuse_nonfinite(name, values, steps)
    return {
        "lowered": compiled.native[name].to_json(),
        "steps": steps.model_dump(),
        "segments": segments(compiled, name, steps.start, steps.stop),
        **summary(values, steps.start, steps.stride),
        "warnings": [warning.model_dump() for warning in _warnings(request, plan, compiled, name)],
    }


def _warnings(subject: Subject, plan: Plan, compiled: CompiledPlan, name: str) -> list[Warned]:
    """Those for a base track of the subject's plan, with pointers into the request."""
    at = f"/plan/tracks/{escape(name)}" if subject.plan and name in subject.plan.tracks else "/plan/preset"
    return [
        warning.under(at if subject.schedule is None else "/schedule") for warning in of_track(plan, compiled, name)
    ]


def plot(request: Plot, kind: str) -> bytes:
    """A picture, `svg` or `png`, of schedules over each other or of the base tracks of a plan. Raises as `evaluate`."""
    lines = [] if request.schedules else _lines(_subject(request, schedule=request.schedule, plan=request.plan))
    for label, schedule in (request.schedules or {}).items():
        try:
            (only,) = _lines(_subject(request, schedule=schedule))
        except Invalid as error:
            moved = [
                (pointer.replace("/schedule", f"/schedules/{escape(label)}", 1), detail)
                for pointer, detail in error.errors
            ]
            raise Invalid(error.detail, errors=moved, **error.members) from None
        lines.append(replace(only, label=label))
    marks = [Mark(mark.step, mark.label) for mark in request.marks]
    size = (request.width, request.height)
    return render(lines, marks=marks, log=request.log, title=request.title, size=size, kind=kind)


def _subject(request: Plot, **what: Any) -> Explain:
    return Explain(
        total_steps=request.total_steps, steps_per_epoch=request.steps_per_epoch, steps=request.steps, **what
    )


def _lines(request: Explain) -> list[Line]:
    plan = plan_of(request)
    with pointed_at(request):
        compiled = compile_plan(plan)
        lines = []
        for name in compiled.base:
            steps = _range(request, plan, compiled, name)
            found = line(name if request.plan else "", compiled, name, steps.start, steps.stop)
            _refuse_nonfinite(name, np.asarray(found.values), np.asarray(found.steps).tolist())
            lines.append(found)
    return lines


def _range(request: Explain, plan: Plan, compiled: CompiledPlan, name: str) -> StepRange:
    """The steps asked for, or all of the run, or as many as show every join."""
    last = 0 if request.steps or plan.total_steps else max(compiled.joins(name, 0, FAR), default=99)
    steps = request.steps or StepRange(stop=plan.total_steps or 1 + last)
    if not _count(steps):
        raise Invalid("there is no step in this range", errors=[("/steps", "there is no step in this range")])
    return steps


def plan_of(subject: Subject) -> Plan:
    """The subject as a resolved plan; a lone schedule becomes the one track of its plan."""
    plan = subject.plan or Plan(tracks={ONLY: subject.schedule})  # type: ignore[dict-item]
    lengths = {"total_steps": subject.total_steps, "steps_per_epoch": subject.steps_per_epoch}
    plan = plan.model_copy(
        update={name: value for name, value in lengths.items() if value and getattr(plan, name) is None}
    )
    with pointed_at(subject):
        return resolve(plan)


@contextmanager
def pointed_at(subject: Subject) -> Iterator[None]:
    """Errors that point into the subject's plan point into its request instead."""

    def moved(pointer: str) -> str:
        if not pointer.startswith(("/tracks", "/preset")):
            return pointer
        return f"/plan{pointer}" if subject.schedule is None else "/schedule" + pointer.removeprefix(f"/tracks/{ONLY}")

    try:
        yield
    except Invalid as error:
        errors = [(moved(pointer), detail) for pointer, detail in error.errors]
        raise Invalid(error.detail, errors=errors, **error.members) from None


def kinds(query: str = "") -> dict[str, Any]:
    """The catalogue, searched by name and alias."""
    return {"items": find(query), "next_cursor": None}


def kind(name: str) -> dict[str, Any]:
    """One kind of the catalogue. Raises `NotFound`, with the nearest names."""
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=5) or [found["kind"] for found in find(name)[:5]]
        hint = f"; did you mean {' or '.join(near)}?" if near else "; GET /v1/schedules lists them all"
        raise NotFound(f"there is no kind {name!r}{hint}", suggestions=near)
    return entry(name)


def kind_plot(name: str, kind_of_picture: str) -> bytes:
    """A picture of a kind's example. Raises as `kind`, and `Invalid` for what is no curve of its own."""
    shown = kind(name)
    if name == "track":
        raise Invalid.at("", "a derived track has no curve of its own")
    run = {"schedule": shown["example"], "steps": {"stop": shown["values"][-1][0] + 1}, "title": name, **LENGTHS}
    return plot(Plot.model_validate(run), kind_of_picture)


def _steps(request: Evaluate, plan: Plan) -> StepRange | list[int]:
    if request.step is not None:
        return [request.step]
    if request.steps is not None:
        return request.steps
    if plan.total_steps is None:
        raise Invalid.at("/steps", "say which steps: `steps`, `step`, or `total_steps` for all of a run")
    return StepRange(stop=plan.total_steps)


def _count(steps: StepRange | list[int]) -> int:
    return len(steps) if isinstance(steps, list) else len(range(steps.start, steps.stop, steps.stride))


def _step(steps: StepRange | list[int], index: int) -> int:
    return steps[index] if isinstance(steps, list) else steps.start + index * steps.stride


def _folded(metrics: list[MetricValue], plan: Plan) -> Pieces:
    if not follows_metric(plan):
        raise Invalid.at("/metrics", "nothing here follows a metric; leave `metrics` out")
    return compile_folded(plan, [float(metric) for metric in metrics])


def _values(pieces: Pieces, name: str, steps: StepRange | list[int]) -> Values:
    if len(pieces) == 1 and isinstance(steps, StepRange):
        return pieces[0][1].values(name, steps.start, steps.stop, steps.stride)
    every = _every(steps)
    values = np.empty(every.shape)
    for index, where in groups(every.astype(np.float64), np.array([step for step, _ in pieces], dtype=np.float64)):
        values[where] = pieces[index][1].at(name, every[where])
    return values


def _every(steps: StepRange | list[int]) -> NDArray[np.int64]:
    if isinstance(steps, list):
        return np.array(steps, dtype=np.int64)
    return np.arange(steps.start, steps.stop, steps.stride)


def _refuse_nonfinite(name: str, values: Values, steps: StepRange | list[int]) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        index = int(np.argmin(finite))
        step = _step(steps, index)
        raise Invalid.at(
            f"/tracks/{escape(name)}",
            f"the value at step {step} is {values[index]}, which is no finite number",
            step=step,
        )


def _decimated(
    points: int, pieces: Pieces, steps: StepRange | list[int], values: dict[str, Values]
) -> tuple[list[int], dict[str, Values]]:
    every, compiled = _every(steps), pieces[0][1]
    changes = [step for step, _ in pieces[1:]]
    if isinstance(steps, list) and np.any(every[1:] < every[:-1]):
        raise Invalid.at("/steps", "with `points`, the steps must not go down")
    chosen: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    base = [name for name in values if name in compiled.base]  # derived ones have their extremes at the same steps
    for name in base:
        keep = [*compiled.joins(name, int(every[0]), int(every[-1]) + 1), *changes]
        chosen = np.union1d(chosen, decimate(every, values[name], max(2, points // len(base)), keep))
    return every[chosen].tolist(), {name: column[chosen] for name, column in values.items()}
