"""Writes `docs/schedules.md`, the page of every kind of schedule, from the catalogue that the service answers with.

    .venv/bin/python -m docs.schedules

Values and curves come from the engine; a test holds the page to them.
"""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from app.control.importing import imported
from app.schedules import resolve
from app.schedules.catalogue import catalogue
from schemas.importing import Import
from schemas.plans import COUPLED, Plan

PAGE = Path(__file__).with_name("schedules.md")
LARGEST = 2**53
HEAD = """# Every kind of schedule

<!-- Written by `python -m docs.schedules`; do not edit. -->

A schedule is a JSON object with a `kind` and the parameters below; `POST /v1/schedules/evaluate` gives its values,
`POST /v1/schedules/explain` shows what it lowers to, `POST /v1/schedules/plot` draws it, and
`POST /v1/schedules/import` makes it from what a library wrote. `GET /v1/schedules?q=` finds a kind by its name, its
aliases or its summary, and `GET /v1/schedules/{kind}` has all that stands here.

The kinds without a dot are Lockstep's own. `library.name` is a library's scheduler with that library's parameters,
defaults and quirks, in the version named, and its values to the last few bits. Parameters in **bold** are required. A
*duration* is a number of steps, `"12ep"` (epochs), or `"3%"` (of `total_steps`).

Every example was run to write this page, over 100 steps with 10 in an epoch where it asks for that; what follows a
metric was told 1.0 at each of 50 steps. The curve goes from step 0 to the last step of the table.
"""


PRESET = {"preset": {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 1000}}
LAYERS = {
    "tracks": {"lr": {"kind": "warmup_cosine", "peak": 0.001, "warmup_steps": "5%", "decay_steps": "95%"}},
    "layerwise": {"factor": 0.75, "groups": ["stem", ["body.decay", "body.plain"], "head"]},
    "total_steps": 1000,
}
STATE = {"T_max": 100, "eta_min": 0.0, "base_lrs": [0.1], "last_epoch": 3, "_step_count": 4}


def page() -> str:
    """The whole page."""
    entries = [entry for _, entry in sorted(catalogue().items(), key=lambda item: _order(item[0]))]
    sections, index = [], []
    for library, group in groupby(entries, key=lambda entry: _library(entry["kind"])):
        members = list(group)
        links = ", ".join(
            f"[{entry['kind'].removeprefix(f'{library}.')}](#{_anchor(entry['kind'])})" for entry in members
        )
        index.append(f"- **{library}**: {links}")
        sections += [f"## {library}", *(_section(entry) for entry in members)]
    return "\n\n".join([HEAD.rstrip(), "\n".join(index), _plans(), _import(), *sections]) + "\n"


def _plans() -> str:
    coupled = ", ".join(f"`{kind}`" for kind in COUPLED)
    return f"""## Whole plans

A scheduler that drives momentum or weight decay besides the rate ({coupled}) is
given once, as `preset`, and becomes a track for each:

{_becomes(PRESET, resolve(Plan.model_validate(PRESET)).to_json())}

`layerwise` writes derived tracks for the parameter groups of a network, from the input to the output, each layer
`factor` times the next; groups of one layer stand in a list. With `depth` instead of `groups`, the groups are `prefix`
and a number, or without a prefix their index. A track that the plan has already stays as it is.

{_becomes(LAYERS, resolve(Plan.model_validate(LAYERS)).to_json())}"""


def _import() -> str:
    answer = imported(Import(config=STATE))
    return f"""## Import

`POST /v1/schedules/import` takes, as `config`, the `state_dict()` of a torch scheduler (with the optimizer's as
`optimizer` for a OneCycleLR), the JSON of Hugging Face's `TrainingArguments`, a DeepSpeed configuration, or Keras's
`get_config()`. The answer has a `schedule`, or a `plan` where there are several tracks, what was `read` and `ignored`
of the configuration, and `warnings`, such as a rate in the state that the schedule does not give.

{_becomes({"config": STATE}, answer)}"""


def _becomes(given: Any, found: Any) -> str:
    return f"```json\n{json.dumps(given)}\n```\n\nbecomes\n\n```json\n{json.dumps(found)}\n```"


def _library(kind: str) -> str:
    return kind.partition(".")[0] if "." in kind else "Lockstep"


def _order(kind: str) -> tuple[bool, str]:
    """Our own in the order of the catalogue, then the libraries' by name."""
    return (True, kind.lower()) if "." in kind else (False, "")


def _anchor(kind: str) -> str:
    """GitHub's name for the heading."""
    return kind.lower().replace(".", "")


def _section(entry: dict[str, Any]) -> str:
    shown = entry["values"]
    found = f" Also found as {', '.join(entry['aliases'])}." if entry["aliases"] else ""
    table = [f"step   {_row(step for step, _ in shown)}", f"value  {_row(f'{value:.4g}' for _, value in shown)}"]
    parts = [
        f"### {entry['kind']}",
        entry["summary"],
        *([" ".join(paragraph.split()) for paragraph in entry["notes"].split("\n\n")] if entry["notes"] else []),
        f"```text\n{entry['formula']}\n```",
        _parameters(entry["parameters"]),
        f"Source: {entry['source']}.{found}",
        f"```json\n{json.dumps(entry['example'])}\n```",
        "\n".join(["```text", entry["curve"], *table, "```"]),
    ]
    return "\n\n".join(parts)


def _row(cells: Any) -> str:
    return " ".join(f"{cell!s:>9}" for cell in cells)


def _parameters(schema: dict[str, Any]) -> str:
    rows = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        if name == "kind":
            continue
        bold = name in schema["required"]
        default = f"`{json.dumps(field['default'])}`" if field.get("default") is not None else ""
        cells = [f"**{name}**" if bold else name, _type(field), default, " ".join(field.get("description", "").split())]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) if len(rows) > 2 else "No parameters."


def _type(field: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "anyOf" in field:
        options = [option for option in field["anyOf"] if option.get("type") != "null"]
        if any("ep|%" in option.get("pattern", "") for option in options):
            return "*duration*" + (" > 0" if "exclusiveMinimum" in options[0] else "")
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    kind = field.get("type", "any")
    if kind == "array":
        inner = field.get("items") or {"type": "value"}
        if "prefixItems" in field:
            return "[" + ", ".join(_type(item) for item in field["prefixItems"]) + "]"
        return f"list of {_type(inner)}"
    if kind in ("number", "integer"):
        return ("number" if kind == "number" else "whole number") + _bounds(field)
    if kind == "object":
        return str(field.get("title", "object")).lower()
    return {"string": "text", "boolean": "true or false"}.get(kind, str(kind))


def _bounds(field: dict[str, Any]) -> str:
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[name]}" for name, sign in words.items() if abs(field.get(name, LARGEST)) < LARGEST]
    return f" {', '.join(bounds)}" if bounds else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
