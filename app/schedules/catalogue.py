"""What the kinds say about themselves, and what their examples come to."""

import inspect
import re
from functools import cache
from math import inf
from typing import Any

from app.schedules.compiled import compile_folded
from app.schedules.durations import resolve
from schemas.plans import Plan
from schemas.specs import KINDS, Spec

LENGTHS = {"total_steps": 100, "steps_per_epoch": 10}  # of the run in which examples are evaluated
METRIC = [1.0] * 50  # what examples that follow a metric are told: no progress
COLUMNS = 60
BLOCKS = "▁▂▃▄▅▆▇█"
FAR = 1_000_000  # joins beyond it are not shown


def catalogue() -> dict[str, dict[str, Any]]:
    """Every kind by name."""
    return {kind: entry(kind) for kind in sorted(KINDS)}


def entry(kind: str) -> dict[str, Any]:
    """A kind: what it does, formula, parameters, source, and an example with the values that it gives."""
    return _entry(kind, KINDS[kind])


def find(query: str) -> list[dict[str, Any]]:
    """The kinds whose name or alias is like the words, best first; then those that have every word in their summary."""
    wanted = _plain(query)
    ranked = [(rank, kind) for kind, model in KINDS.items() if (rank := _rank(wanted, kind, model)) is not None]
    return [entry(kind) for _, kind in sorted(ranked)]


def run_example(example: dict[str, Any], steps: list[int] | None = None) -> list[tuple[int, float]]:
    """(step, value) of an example at given steps, or at the ends and first joins of its curve.

    The run has 100 steps of 10 in an epoch; what follows a metric is told 1.0 at each of 50 steps. A `track` follows
    a constant 0.1.
    """
    base = {"lr": {"kind": "constant", "value": 0.1}} if example["kind"] == "track" else {}
    plan = resolve(Plan.model_validate({"tracks": {**base, "x": example}, **LENGTHS}))
    pieces = compile_folded(plan, METRIC)
    if steps is None:
        joins = [step for step, _ in pieces[1:4]] or pieces[0][1].joins("x", 1, FAR)[:3] or [100]
        steps = sorted({0, 1, *joins, *(join - 1 for join in joins), 2 * joins[-1]})
    values: list[float] = []
    for (since, compiled), until in zip(pieces, [*(since for since, _ in pieces[1:]), inf], strict=True):
        values += compiled.at("x", [step for step in steps if since <= step < until]).tolist()
    return list(zip(steps, values, strict=True))


def _blocks(values: list[float]) -> str:
    """A curve as a line of text."""
    low, high = min(values), max(values)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return BLOCKS[3] * len(values)
    scale = (len(BLOCKS) - 1) / (high - low)
    return "".join(BLOCKS[int((value - low) * scale + 0.4999)] for value in values)  # no tie that a last bit decides


def _rank(wanted: str, kind: str, model: type[Spec]) -> int | None:
    """0 for the best; None for no likeness. The name counts for more than an alias, both for more than the summary."""
    kind, aliases = _plain(kind), [_plain(alias) for alias in model.aliases]
    last, everything = kind.rpartition(".")[2], " ".join([kind, *aliases])
    likeness = (
        wanted in ("", kind),
        wanted == last,
        wanted in aliases,
        last.startswith(wanted),
        any(alias.startswith(wanted) for alias in aliases),
        wanted in kind,
        wanted in everything,
        all(word in everything for word in wanted.split()),
        all(word in f"{everything} {_plain(_texts(model)[0])}" for word in wanted.split()),
    )
    return next((rank for rank, alike in enumerate(likeness) if alike), None)


def _plain(name: str) -> str:
    """In lower case, words apart by one space."""
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _texts(model: type[Spec]) -> tuple[str, str]:
    """The summary and the notes of a kind."""
    summary, _, notes = inspect.cleandoc(model.__doc__ or "").partition("\n\n")
    return " ".join(summary.split()), notes


@cache
def _entry(kind: str, model: type[Spec]) -> dict[str, Any]:
    values = run_example(model.example)
    steps = [round(values[-1][0] * column / (COLUMNS - 1)) for column in range(COLUMNS)]
    summary, notes = _texts(model)
    schema = model.model_json_schema()
    schema = _inlined(schema, schema.get("$defs", {}))
    return {
        "kind": kind,
        "summary": summary,
        "notes": notes,
        "formula": model.formula,
        "parameters": {key: schema[key] for key in ("type", "properties", "required", "additionalProperties")},
        "source": model.source,
        "aliases": list(model.aliases),
        "example": model.example,
        "values": values,
        "curve": _blocks([value for _, value in run_example(model.example, steps)]),
    }


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema without references."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions) | rest
    return {key: _inlined(value, definitions) for key, value in node.items()}
