"""The page of the files that are read: from the readers themselves, so that it cannot say what they do not do."""

from app.reading import READERS, UNREAD, Reader

HEAD = """# Whose files are read

`POST /v1/schedules/import` reads the file that you have: as `config` (an object), or as `text` with its `format`, one
of `json`, `toml` and `yaml`, which is found out where you leave it out.

```json
{"text": "learning_rate: 2.0e-5\\nlr_scheduler_type: cosine\\nwarmup_ratio: 0.03\\nmax_steps: 1000\\n"}
```

**Whose it is** shows by marks: fields that only this library's files have together. Where several have theirs, the one
counts that knows most of the fields which could decide the rate. Where none or several are left, the answer is 422 with
the candidates, and you say it: `"library": "axolotl"`.

**Every field** is read, ignored, or an error. The answer lists what was `read` and what was `ignored`, with the reason.
A field that decides the rate in a way that no reader follows is an error, and so is one that nobody knows if its name
could decide the rate (`lr`, `warmup`, `sched`, `anneal`, …): at the field itself, by its own name, for a text with its
line.

**What the file leaves open** the request says: `total_steps`, `steps_per_epoch`, `base_lr`; the optimizer's
`state_dict()` as `optimizer`; for transformers the DeepSpeed file as `deepspeed`, and the two are read as one, `"auto"`
and all.

In YAML 1.1, which most trainers read, `1e-5` is a text and `1.0e-5` a number. The error says so; axolotl takes both.
"""


def page() -> str:
    """All readers in a table, then one by one."""
    readers = sorted(READERS.items())
    rows = [f"| [{name}](#{name}) | {reader.source} | {reader.checked} |" for name, reader in readers]
    table = ["| library | the format's source | its values are held to |", "|---|---|---|", *rows]
    unread = "\n".join(f"- {name}: {instead}" for name, (_, instead) in sorted(UNREAD.items()))
    sections = [_section(name, reader) for name, reader in readers]
    parts = [HEAD.rstrip(), "\n".join(table), *sections, "## Recognised, and refused by name", unread]
    return "\n\n".join(parts) + "\n"


def _section(name: str, reader: Reader) -> str:
    marks = "; ".join(" with ".join(f"`{path}`" for path in mark.split()) for mark in reader.marks)
    parts = [f"## {name}", f"Shown by {marks}.", f"Decide the rate: {_names(reader.fields)}."]
    if reader.refused:
        parts.append("Refused:\n\n" + "\n".join(f"- `{field}`: {why}" for field, why in sorted(reader.refused.items())))
    if reader.ignored:
        parts.append(f"Ignored, with the reason: {_names(frozenset(reader.ignored))}.")
    return "\n\n".join(parts)


def _names(fields: frozenset[str]) -> str:
    return ", ".join(f"`{field}`" for field in sorted(fields, key=str.lower))
