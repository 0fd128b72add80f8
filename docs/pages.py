"""The pages of `docs/schedules/`: an index, one for each library, and a picture of each kind, from the catalogue.

Values, curves and shapes come from the engine, so a page cannot say what the service does not do.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import app.dialects  # noqa: F401 - the libraries' kinds
from app.control.importing import imported
from app.schedules import resolve
from app.schedules.catalogue import catalogue, run_example
from docs import readers
from docs.svg import Frame, picture
from schemas.importing import Import
from schemas.plans import Plan
from schemas.specs import KINDS, Spec

FOLDER = Path(__file__).with_name("schedules")
OWN = "lockstep"  # the page of the kinds without a library
LARGEST = 2**53
POINTS = 240  # of a picture, at most
WRITTEN = "<!-- Written by `make docs`; do not edit. -->"
HEAD = f"""# Every kind of schedule

{WRITTEN}

A schedule is a JSON object with a `kind` and its parameters. `POST /v1/schedules/evaluate` gives its values,
`POST /v1/schedules/explain` says what it lowers to, `POST /v1/schedules/plot` draws it, and
`POST /v1/schedules/import` makes one from what a library wrote. `GET /v1/schedules?q=` finds a kind by its name, its
aliases or its summary; `GET /v1/schedules/{{kind}}` has all that stands here.

You know what you need, not what it is called? [Which schedule do I want?](../which-schedule.md)
"""
PAGE = """Parameters in **bold** are required. A *duration* is a number of steps, `"12ep"` (epochs), or `"3%"` (of
`total_steps`). Every example was run to write this page, over 100 steps with 10 in an epoch where it asks for
that; what follows a metric was told 1.0 at each of 50 steps."""
LIBRARY = """Each is the library's own scheduler, with its parameters, defaults and quirks in the version named as its
source, and its values to the last few bits."""
PRESET = {"preset": {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 1000}}
LAYERS = {
    "tracks": {"lr": {"kind": "warmup_cosine", "peak": 0.001, "warmup_steps": "5%", "decay_steps": "95%"}},
    "layerwise": {"factor": 0.75, "groups": ["stem", ["body.decay", "body.plain"], "head"]},
    "total_steps": 1000,
}
STATE = {"T_max": 100, "eta_min": 0.0, "base_lrs": [0.1], "last_epoch": 3, "_step_count": 4}

Entry = dict[str, Any]


def files() -> Iterator[tuple[Path, str]]:
    """Every page and picture with its content."""
    entries = sorted(catalogue().values(), key=_order)
    libraries = {name: list(group) for name, group in groupby(entries, key=_library)}
    yield FOLDER / "README.md", index(libraries)
    yield FOLDER / "files.md", f"{WRITTEN}\n\n{readers.page()}"
    for library, members in libraries.items():
        yield FOLDER / f"{library}.md", page(library, members)
        for entry in members:
            yield FOLDER / library / f"{_name(entry)}.svg", drawn(entry)


def index(libraries: Mapping[str, list[Entry]]) -> str:
    """The page that finds a kind by library, shape or alias."""
    entries = [entry for members in libraries.values() for entry in members]
    shapes = {shape: list(found) for shape, found in groupby(sorted(entries, key=_shape), key=_shape)}
    aliases = sorted({(alias, _link(entry)) for entry in entries for alias in entry["aliases"]})
    by_alias = [
        f"- {alias}: {', '.join(link for _, link in found)}" for alias, found in groupby(aliases, key=lambda a: a[0])
    ]
    return _joined(
        HEAD.rstrip(),
        "## By library",
        ", ".join(f"[{library}]({library}.md) ({len(members)})" for library, members in libraries.items()),
        "## By shape",
        "What the curve of each kind's example does.",
        "\n".join(f"- **{shape}**: {_links(found)}" for shape, found in shapes.items()),
        "## By other names",
        "\n".join(by_alias),
        _plans(),
        _import(),
    )


def page(library: str, members: list[Entry]) -> str:
    """The page of a library."""
    title = "Lockstep's own kinds" if library == OWN else f"Schedulers of {library}"
    about = [] if library == OWN else [LIBRARY]
    contents = ", ".join(f"[{_name(entry)}](#{_anchor(entry)})" for entry in members)
    return _joined(
        f"# {title}", WRITTEN, *about, PAGE, "[All libraries](README.md)", contents, *(_section(e) for e in members)
    )


def drawn(entry: Entry) -> str:
    """The curve of a kind's example."""
    last = entry["values"][-1][0]
    stride = -(-last // POINTS)
    points = run_example(entry["example"], [*range(0, last, stride), last])
    values = [value for _, value in points]
    low, high = min(0.0, *values), max(values)
    frame = Frame(560, 190, (0, last), (low, high * 1.06 if high > low else low + 1.0))
    return picture(
        frame, [*frame.axes(), frame.curve(points)], f"{entry['kind']}: {entry['summary']}".replace('"', "'")
    )


def _section(entry: Entry) -> str:
    shown = entry["values"]
    found = f" Also found as {', '.join(entry['aliases'])}." if entry["aliases"] else ""
    table = [f"step   {_row(step for step, _ in shown)}", f"value  {_row(f'{value:.4g}' for _, value in shown)}"]
    return _joined(
        f"## {_name(entry)}",
        entry["summary"],
        *([" ".join(paragraph.split()) for paragraph in entry["notes"].split("\n\n")] if entry["notes"] else []),
        f"![Its curve over the steps]({_library(entry)}/{_name(entry)}.svg)",
        f"```text\n{entry['formula']}\n```",
        _parameters(entry["parameters"]),
        f"Source: {entry['source']}.{found}",
        f"```json\n{json.dumps(entry['example'])}\n```",
        "\n".join(["```text", *table, "```"]),
    ).rstrip()


def _plans() -> str:
    coupled = ", ".join(f"`{kind}`" for kind, model in sorted(KINDS.items()) if model.drives is not Spec.drives)
    return f"""## Whole plans

A scheduler that drives momentum or weight decay besides the rate ({coupled}) is given once, as `preset`, and becomes a
track for each:

{_becomes(PRESET, resolve(Plan.model_validate(PRESET)).to_json())}

`layerwise` writes derived tracks for the parameter groups of a network, from the input to the output, each layer
`factor` times the next; groups of one layer stand in a list. With `depth` instead of `groups`, the groups are `prefix`
and a number, or without a prefix their index. A track that the plan has already stays as it is.

{_becomes(LAYERS, resolve(Plan.model_validate(LAYERS)).to_json())}"""


def _import() -> str:
    answer = imported(Import(config=STATE))
    return f"""## Import

`POST /v1/schedules/import` takes what a library or its training script wrote: as `config`, an object, or as `text`, the
JSON, TOML or YAML that it is. [Whose files are read](files.md), and which of their fields, has a page of its own. The
answer has a `schedule`, or a `plan` where there are several tracks, what was `read` and `ignored` of the configuration,
and `warnings`, such as a rate in a state that the schedule does not give.

{_becomes({"config": STATE}, answer)}"""


def _becomes(given: Any, found: Any) -> str:
    return f"```json\n{json.dumps(given)}\n```\n\nbecomes\n\n```json\n{json.dumps(found)}\n```"


def _shape(entry: Entry) -> str:
    """What the curve of the example looks like, read off its values."""
    values = [value for _, value in run_example(entry["example"], list(range(entry["values"][-1][0] + 1)))]
    changes = [after - before for before, after in pairwise(values)]
    turns = [change > 0 for change in changes if abs(change) > 1e-9 * max(map(abs, values))]
    directions = [up for up, _ in groupby(turns)]
    if not turns:
        return "stays the same"
    if len(directions) > 2:
        return "goes up and down"
    how = "in stairs" if len(turns) < len(changes) / 4 else "bit by bit"
    return {
        (True,): "rises",
        (False,): f"falls {how}",
        (True, False): "rises, then falls",
        (False, True): "falls, then rises",
    }[tuple(directions)]


def _library(entry: Entry) -> str:
    library, dot, _ = entry["kind"].partition(".")
    return library if dot else OWN


def _name(entry: Entry) -> str:
    """The name within its library."""
    return str(entry["kind"].removeprefix(f"{_library(entry)}."))


def _order(entry: Entry) -> tuple[bool, str]:
    """Our own, then the libraries', by name."""
    return "." in entry["kind"], entry["kind"].lower()


def _anchor(entry: Entry) -> str:
    """GitHub's name for the heading."""
    return _name(entry).lower().replace(".", "")


def _link(entry: Entry) -> str:
    return f"[{entry['kind']}]({_library(entry)}.md#{_anchor(entry)})"


def _links(entries: Iterable[Entry]) -> str:
    return ", ".join(map(_link, entries))


def _joined(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


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
