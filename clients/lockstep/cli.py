"""`lockstep`: the controller's tools in a terminal.

A change is shown before it is made: from which step, in how many seconds, the values before and after. It is then asked
for (`--yes` says so at once), and made only if nobody else has changed the run in between.

Exit codes: 0 done; 1 the service said no; 2 the command makes no sense; 3 there was no usable answer; 4 not done: the
answer to the question was no.
"""

import inspect
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
    import yaml
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
except ImportError as error:  # pragma: no cover
    raise SystemExit(f"lockstep needs {error.name}: pip install 'lockstep-lr[cli]'") from error

from lockstep.client import Answer, Client
from lockstep.errors import LockstepError, Refused

REFUSED, MISUSED, UNAVAILABLE, DECLINED = 1, 2, 3, 4
SHOWN_STEPS = 9  # of a preview
COLUMNS, ROWS = 64, 12  # of a plot

app = typer.Typer(
    help="Look at runs and change them. LOCKSTEP_URL and LOCKSTEP_TOKEN say where and who.", no_args_is_help=True
)
console = Console()

Json = Annotated[bool, typer.Option("--json", help="print the answer as JSON, and nothing else")]
Name = Annotated[str, typer.Argument(help="name of the run")]
At = Annotated[int | None, typer.Option("--at", help="the step to act at; default: as soon as possible")]
Why = Annotated[str | None, typer.Option("--reason", "-m", help="why, for the history and the jobs' logs")]
Tracks = Annotated[list[str] | None, typer.Option("--track", help="only these tracks; may be given again")]
Preview = Annotated[bool, typer.Option("--preview", help="show what it would do, and do nothing")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
Force = Annotated[bool, typer.Option("--force", help="against bounds and a lock; takes the role admin")]
Length = Annotated[str, typer.Argument(help='a number of steps, "12ep", or "3%"')]


def main() -> None:
    """The command. What goes wrong is one line on stderr."""
    try:
        app()
    except Refused as error:
        fail(error, REFUSED)
    except LockstepError as error:
        fail(error, MISUSED if isinstance(error, ValueError) else UNAVAILABLE)


def fail(error: Exception, code: int) -> None:
    """Say what went wrong, and leave."""
    print(f"lockstep: {error}", file=sys.stderr)
    raise SystemExit(code)


# Looking


@app.command()
def runs(
    status: Annotated[str | None, typer.Option(help="active, finished or archived")] = None,
    label: Annotated[list[str] | None, typer.Option(help="key=value; all must hold")] = None,
    as_json: Json = False,
) -> None:
    """All runs that you may see."""
    with Client() as client:
        found = client.runs(status=status, label=label)
    if as_json:
        return show_json(found)
    rows = [
        (r["run"], r["status"], r["horizon"], r["revision"], r["attempt"], locked(r), len(r["alarms"])) for r in found
    ]
    return show(("run", "status", "horizon", "revision", "attempt", "locked by", "alarms"), rows)


@app.command("show")
def show_run(run: Name, as_json: Json = False) -> None:
    """One run: its state, its workers, and its history."""
    with Client() as client:
        state, workers, history = client.run(run), client.workers(run), client.revisions(run)
    if as_json:
        return show_json({"run": state, "workers": workers, "revisions": history})
    show_state(state)
    show_workers(workers)
    return show_history(history)


@app.command()
def watch(run: Name, every: Annotated[float, typer.Option(help="seconds")] = 1.0) -> None:
    """The same, live, until the run ends or you interrupt it."""
    with Client() as client, Live(console=console, refresh_per_second=4) as live:
        while True:
            state, workers = client.run(run), client.workers(run)
            live.update(Group(sentence(state), workers_table(workers)), refresh=True)
            if state["status"] != "active":
                return
            time.sleep(every)


@app.command()
def events(run: Name, as_json: Json = False) -> None:
    """What happened to a run."""
    with Client() as client:
        found = client.events(run)
    if as_json:
        return show_json(found)
    return show(("id", "at", "what", ""), [(e["id"], e["at"], e["type"], e["detail"]) for e in found])


@app.command("plot")
def plot_run(run: Name, track: Annotated[str, typer.Option(help="which")] = "lr", as_json: Json = False) -> None:
    """The curve of a run, committed and planned."""
    with Client() as client:
        state = client.run(run)
        stop = state["total_steps"] or 2 * state["horizon"] + 1000
        curve = client.values(run, state["start_step"], stop, stride=-(-(stop - state["start_step"]) // COLUMNS))
    if as_json:
        return show_json(curve)
    values = [value for value in curve["values"][track] if value is not None]
    return console.print(chart(values), highlight=False)


@app.command("eval")
def evaluate(
    spec: Annotated[str, typer.Argument(help="a schedule as JSON, or a file of one (JSON or YAML)")],
    steps: Annotated[str, typer.Option(help="START:STOP:STRIDE, or steps with commas")] = "0:100:10",
    total_steps: Annotated[int | None, typer.Option()] = None,
    steps_per_epoch: Annotated[float | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """Values of a schedule."""
    body: dict[str, Any] = {"schedule": read(spec), "total_steps": total_steps, "steps_per_epoch": steps_per_epoch}
    if ":" in steps:
        start, stop, stride = (int(part) for part in (*steps.split(":"), "1")[:3])
        body["steps"] = {"start": start, "stop": stop, "stride": stride}
        asked = range(start, stop, stride)
    else:
        body["steps"] = [int(part) for part in steps.split(",")]
        asked = body["steps"]
    with Client() as client:
        found = client.evaluate({name: value for name, value in body.items() if value is not None})
    if as_json:
        return show_json(found)
    return show(("step", "value"), zip(asked, found["values"], strict=True))


@app.command()
def explain(spec: Annotated[str, typer.Argument(help="a schedule as JSON, or a file of one")]) -> None:
    """What a schedule means: as JSON, the native form, its pieces and what may bite."""
    with Client() as client:
        show_json(client.explain({"schedule": read(spec)}))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Whether this machine reaches the service, who it is there, and what to mend."""
    found: dict[str, Any] = {"url": os.environ.get("LOCKSTEP_URL"), "token": bool(os.environ.get("LOCKSTEP_TOKEN"))}
    with Client() as client:
        began = time.perf_counter()
        health, headers = client.health()
        found["seconds"] = round(time.perf_counter() - began, 4)
        found["service"] = health["version"]
        date = headers.get("date")
        if date is not None:
            found["clock_ahead_seconds"] = round((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
        found["ready"] = answers(client.ready)
        found["access"] = answers(client.runs)
    if as_json:
        show_json(found)
    else:
        show(("what", "is"), found.items())
    if found["ready"] != "yes" or found["access"] != "yes":
        raise SystemExit(REFUSED)


def answers(call: Callable[[], object]) -> str:
    """`yes`, or why not."""
    try:
        call()
    except LockstepError as error:
        return str(error)
    return "yes"


# Changing


def changes(action_of: Callable[..., dict[str, Any]]) -> None:
    """A command of this name and these arguments, which makes the change that the function says."""
    own = list(inspect.signature(action_of).parameters.values())
    every = [one for one in inspect.signature(change).parameters.values() if one.name != "action"]

    def command(**given: Any) -> None:
        action = action_of(**{one.name: given.pop(one.name) for one in own})
        change(action=action, **given)

    keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (every[0], *own, *every[1:])]
    command.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in keyword}
    app.command(action_of.__name__.rstrip("_"), help=action_of.__doc__)(command)


def change(
    run: Name,
    action: dict[str, Any],
    at: At = None,
    reason: Why = None,
    force: Force = False,
    preview: Preview = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show what an action would do, ask, and do it if nobody else has changed the run since it was shown."""
    action = {name: value for name, value in action.items() if value is not None}
    with Client() as client:
        state = client.run(run)
        shown = client.preview(run, action, from_step=at, force=force or None)
        if not as_json:
            show_preview(shown)
        elif preview:
            show_json(shown)
        if preview:
            return
        confirm(yes, as_json)
        newest = state["revision"]
        made = client.revise(run, action, from_step=at, reason=reason, force=force or None, if_match=newest)
    done(made, as_json, f"revision {made['number']} from step {made['from_step']} on")


@changes
def scale(
    factor: Annotated[float | None, typer.Argument(help="times this")] = None,
    to: Annotated[float | None, typer.Option(help="so that the value then is this, the shape kept")] = None,
    track: Tracks = None,
) -> dict[str, Any]:
    """Multiply the curve, its shape kept."""
    return {"kind": "scale", "factor": factor, "to": to, "tracks": track}


@changes
def set_(
    value: Annotated[float, typer.Argument(help="the value from then on")], track: Tracks = None
) -> dict[str, Any]:
    """A constant from then on; `rollback` brings the curve back."""
    return {"kind": "set", "value": value, "tracks": track}


@changes
def ramp(
    to: Annotated[float, typer.Argument(help="the value at its end")],
    steps: Length,
    shape: Annotated[str | None, typer.Option(help="linear, cosine, …")] = None,
    track: Tracks = None,
) -> dict[str, Any]:
    """From the present value to another one."""
    return {"kind": "ramp", "to": to, "steps": length(steps), "shape": shape, "tracks": track}


@changes
def cooldown(
    steps: Length, to: Annotated[float | None, typer.Option(help="the value at its end; default 0")] = None
) -> dict[str, Any]:
    """Down to the end, which is so many steps away."""
    return {"kind": "cooldown", "steps": length(steps), "to": to}


@changes
def hold() -> dict[str, Any]:
    """Stay at the present value until `resume`."""
    return {"kind": "hold"}


@changes
def resume() -> dict[str, Any]:
    """Go on where `hold` stopped."""
    return {"kind": "resume"}


@changes
def stretch(total_steps: Annotated[int, typer.Argument(help="where the curve shall end")]) -> dict[str, Any]:
    """Re-time what is left of the curve to end at another step."""
    return {"kind": "stretch", "total_steps": total_steps}


@changes
def replace(plan: Annotated[str, typer.Argument(help="as JSON, or a file of one (JSON or YAML)")]) -> dict[str, Any]:
    """Another plan, on the run's clock."""
    return {"kind": "replace", "plan": read(plan)}


@changes
def rollback(revision: Annotated[int, typer.Argument(help="the plan of this one")]) -> dict[str, Any]:
    """The plan of an earlier revision, as if nothing since had happened."""
    return {"kind": "rollback", "revision": revision}


@changes
def cancel(revision: Annotated[int, typer.Argument(help="a pending one")]) -> dict[str, Any]:
    """Take a pending revision back."""
    return {"kind": "cancel", "revision": revision}


@app.command()
def rewind(
    run: Name,
    to_step: Annotated[int, typer.Argument(help="the step of the checkpoint")],
    reason: Why = None,
    force: Force = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Go back to a checkpoint: the next attempt begins there, and later revisions are dropped."""
    with Client() as client:
        state = client.run(run)
        dropped = [
            row["number"] for row in client.revisions(run) if row["from_step"] > to_step and row["dropped_in"] is None
        ]
        if not as_json:
            console.print(f"{run} goes back from step {state['horizon']} to {to_step}; dropped: {dropped or 'nothing'}")
        confirm(yes, as_json)
        answer = client.rewind(run, to_step, reason=reason, force=force or None, if_match=state["revision"])
    done(answer, as_json, f"attempt {answer['attempt']} begins at step {to_step}")


@app.command("lock")
def lock_run(run: Name, reason: Why = None, as_json: Json = False) -> None:
    """Let nothing of a run change until it is unlocked; workers go on."""
    with Client() as client:
        done(client.lock(run, reason=reason), as_json, f"{run} is locked")


@app.command("unlock")
def unlock_run(run: Name, as_json: Json = False) -> None:
    """Let a run change again."""
    with Client() as client:
        done(client.unlock(run), as_json, f"{run} may change")


@app.command()
def finish(run: Name, as_json: Json = False) -> None:
    """Mark a run as finished; the next commit reopens it."""
    with Client() as client:
        done(client.finish(run), as_json, f"{run} is finished")


@app.command()
def archive(run: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Close a run for good; its name stays taken."""
    confirm(yes, as_json)
    with Client() as client:
        done(client.archive(run), as_json, f"{run} is archived")


@app.command()
def apply(
    file: Annotated[
        Path, typer.Option("--file", "-f", help="`run` and `plan`, and what else creates a run; JSON or YAML")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the difference, and do nothing")] = False,
    force: Force = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make a run follow the plan of a file, which is reviewed elsewhere; applying it twice changes nothing."""
    wanted = read(str(file))
    run, plan = wanted.pop("run"), wanted.pop("plan")
    with Client() as client:
        found = next((row for row in client.runs() if row["run"] == run), None)
        if found is None and dry_run:
            return done({}, as_json, f"{run} would be created")
        state = client.create_run(run, plan, if_exists="keep", **wanted)
        if found is None:
            return done(state, as_json, f"{run} is created")
        action = {"kind": "replace", "plan": plan}
        shown = client.preview(run, action, force=force or None)
    if any(warning["code"] == "changes-nothing" for warning in shown["warnings"]):
        return done(state, as_json, f"{run} follows {file} already")
    if not as_json and state["differences"]:
        rows = [(one["pointer"], one["run"], one["posted"]) for one in state["differences"]]
        show(("where", "created with", "shall be"), rows)
    return change(run, action, None, f"{file.name}{commit_of(file)}", force, dry_run, yes, as_json)


def commit_of(file: Path) -> str:
    """At which commit a file is, and whether it was changed since; empty where nobody knows."""
    where = ["git", "-C", str(file.resolve().parent)]
    try:
        commit = subprocess.run([*where, "log", "-1", "--format=%h", "--", file.name], capture_output=True, text=True)
        changed = subprocess.run([*where, "status", "--porcelain", "--", file.name], capture_output=True, text=True)
    except OSError:
        return ""
    return f" at {commit.stdout.strip()}{', changed since' if changed.stdout else ''}" if commit.stdout.strip() else ""


def confirm(yes: bool, as_json: bool) -> None:
    """Ask whether to go on, where there is somebody to ask."""
    if yes:
        return
    if as_json or not interactive():
        print("lockstep: nobody is there to ask; pass --yes", file=sys.stderr)
        raise SystemExit(MISUSED)
    if not typer.confirm("Do it?"):
        raise SystemExit(DECLINED)


def interactive() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


# Showing


def show_preview(preview: Answer) -> None:
    seconds = preview.get("seconds_until")
    when = "" if seconds is None else f", in about {seconds:.0f} s"
    console.print(f"from step {preview['from_step']} on{when}:")
    steps = preview["steps"]
    places = (
        sorted({round(index * (len(steps) - 1) / (SHOWN_STEPS - 1)) for index in range(SHOWN_STEPS)}) if steps else []
    )
    tracks = list(preview["after"])
    columns = ["step", *(f"{track} {when}" for track in tracks for when in ("before", "after"))]
    both = [preview[when].get(track) or [None] * len(steps) for track in tracks for when in ("before", "after")]
    show(columns, [(steps[place], *(column[place] for column in both)) for place in places])
    for warning in preview["warnings"]:
        console.print(f"[yellow]{warning['code']}[/]: {warning['detail']}")


def show_state(state: Answer) -> None:
    console.print(sentence(state), soft_wrap=True)
    for alarm in state["alarms"]:
        console.print(f"[red]{alarm['type']}[/]: {alarm['detail']}")


def sentence(state: Answer) -> str:
    end = "" if state["total_steps"] is None else f" of {state['total_steps']}"
    lock = f", locked by {locked(state)}" if locked(state) else ""
    return (
        f"{state['run']}: {state['status']}, committed to step {state['horizon']}{end}, revision {state['revision']}, "
        f"attempt {state['attempt']}{lock}"
    )


def locked(state: Answer) -> str:
    lock = state.get("lock")
    return "" if lock is None else str(lock["by"])


def show_workers(workers: list[Answer]) -> None:
    console.print(workers_table(workers))


def workers_table(workers: list[Answer]) -> Table:
    columns = ("worker", "state", "step", "seconds a step", "revision", "verified until", "gaps")
    keys = ("worker", "state", "step", "step_seconds", "revision", "verified_until", "gaps")
    return table(columns, [[worker[key] for key in keys] for worker in workers])


def show_history(history: list[Answer]) -> None:
    rows = [
        (row["number"], row["from_step"], row["action"]["kind"], row["author"], row["reason"], fate(row))
        for row in history
    ]
    show(("revision", "from step", "action", "author", "reason", ""), rows)


def fate(row: Answer) -> str:
    if row.get("cancelled_by"):
        return f"cancelled by {row['cancelled_by']}"
    return f"dropped in attempt {row['dropped_in']}" if row.get("dropped_in") else ""


def done(answer: Answer, as_json: bool, sentence: str) -> None:
    if as_json:
        show_json(answer)
    else:
        console.print(sentence, soft_wrap=True)


def show(columns: Any, rows: Any) -> None:
    console.print(table(columns, rows))


def table(columns: Any, rows: Any) -> Table:
    made = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def cell(value: Any) -> str:
    return "" if value is None or value == [] else f"{value:.6g}" if isinstance(value, float) else str(value)


def show_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def chart(values: list[float]) -> str:
    """Values as columns of blocks, the largest at the top.

    >>> print(chart([0.0, 1.0, 2.0]).splitlines()[-1].endswith("██"))
    True
    """
    top = max(values, default=0.0)
    eighths = [0 if top == 0 else round(8 * ROWS * value / top) for value in values]
    lines = []
    for row in reversed(range(ROWS)):
        blocks = (" ▁▂▃▄▅▆▇█"[min(8, max(0, height - 8 * row))] for height in eighths)
        label = f"{top * (row + 1) / ROWS:10.4g}" if row in (0, ROWS - 1) else " " * 10
        lines.append(f"{label} {''.join(blocks)}")
    return "\n".join(lines)


def length(text: str) -> int | str:
    """A duration as a plan has it: a number of steps, or text with its unit."""
    return int(text) if text.isdigit() else text


class Loader(yaml.SafeLoader):
    """YAML, in which `3e-4` is a number, as in JSON; by the letter of YAML 1.1 it is text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read(spec: str) -> Any:
    """JSON or YAML, from the argument itself or from the file that it names."""
    try:
        return yaml.load(spec if spec.lstrip().startswith("{") else Path(spec).read_text(), Loader)
    except (OSError, yaml.YAMLError) as error:
        print(f"lockstep: {spec}: {error}", file=sys.stderr)
        raise SystemExit(MISUSED) from None


if __name__ == "__main__":
    main()
