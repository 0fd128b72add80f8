"""The command, as a controller types it, against a real service."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer", reason="typer is not installed")

from typer.testing import CliRunner, Result

from lockstep import Client, cli, errors
from lockstep.testing import FakeService
from tests.processes import completed
from tests.service import Service

PLAN: dict[str, Any] = {
    "tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}},
    "total_steps": 1000,
}


@pytest.fixture
def client(shared: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("LOCKSTEP_URL", shared.url)
    monkeypatch.setenv("COLUMNS", "160")
    with Client(shared.url, timeout=60.0) as one:
        yield one


@pytest.fixture
def run(request: pytest.FixtureRequest, client: Client) -> str:
    """A run of the test's own."""
    name = re.sub(r"\W+", "-", request.node.name)
    client.create_run(name, PLAN)
    return name


def called(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def said(*words: object) -> str:
    result = called(*words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (["scale", "0.5"], {"kind": "scale", "factor": 0.5}),
        (["scale", "--to", "0.25", "--track", "lr"], {"kind": "scale", "to": 0.25, "tracks": ["lr"]}),
        (["set", "0.25"], {"kind": "set", "value": 0.25}),
        (["ramp", "0.1", "5%", "--shape", "cosine"], {"kind": "ramp", "to": 0.1, "steps": "5%", "shape": "cosine"}),
        (["cooldown", "90", "--to", "0.1"], {"kind": "cooldown", "steps": 90, "to": 0.1}),
        (["hold"], {"kind": "hold"}),
        (["stretch", "2000"], {"kind": "stretch", "total_steps": 2000}),
        (["rollback", "1"], {"kind": "rollback", "revision": 1}),
        (["replace", json.dumps(PLAN)], {"kind": "replace", "plan": PLAN}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_change_is_the_action_of_its_name(
    client: Client, request: pytest.FixtureRequest, words: list[str], action: dict[str, Any]
) -> None:
    name = f"cli-{words[0]}{len(words)}"
    client.create_run(name, PLAN)
    assert "revision 2 from step 40 on" in said(words[0], name, *words[1:], "--at", "40", "-m", "why", "--yes")
    made = client.revision(name, 2)
    assert (made["action"], made["from_step"], made["reason"]) == (action, 40, "why")


def test_what_a_change_will_do_is_shown_before_it_is_made(client: Client, run: str) -> None:
    client.window(run, {"worker": "rank-0", "step": 0, "at": 0, "step_seconds": 0.5})
    shown = said("scale", run, "0.5", "--at", "500", "--preview")
    assert "from step 500 on, in about 250 s:" in shown
    assert ["500", "0.5", "0.25"] in [line.split() for line in shown.splitlines()]
    assert client.run(run)["revision"] == 1
    assert json.loads(said("scale", run, "0.5", "--at", "500", "--preview", "--json"))["after"]["lr"][0] == 0.25


@pytest.mark.parametrize(("typed", "code", "newest"), [("y\n", 0, 2), ("n\n", cli.DECLINED, 1)])
def test_it_asks_before_it_changes_anything(
    client: Client, run: str, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, newest: int
) -> None:
    monkeypatch.setattr(cli, "interactive", lambda: True)
    result = CliRunner().invoke(cli.app, ["hold", run], input=typed)
    assert "Do it?" in result.output
    assert (result.exit_code, client.run(run)["revision"]) == (code, newest)


def test_where_nobody_can_be_asked_it_changes_nothing(client: Client, run: str) -> None:
    for words in (["hold", run], ["hold", run, "--json"], ["rewind", run, "0"], ["archive", run]):
        assert called(*words).exit_code == cli.MISUSED
    assert (client.run(run)["revision"], client.run(run)["status"]) == (1, "active")


def test_what_somebody_changed_since_it_was_shown_is_not_changed(
    client: Client, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "confirm", lambda *_: client.revise(run, {"kind": "hold"}))
    assert isinstance(called("scale", run, "0.5").exception, errors.RevisionMismatch)
    assert client.run(run)["revision"] == 2


def test_a_run_is_looked_at(client: Client, run: str) -> None:
    client.window(run, {"worker": "rank-0", "step": 0, "at": 0, "step_seconds": 0.5})
    client.revise(run, {"kind": "scale", "factor": 0.5}, from_step=50, reason="the loss is noisy")
    said("cancel", run, "2", "--yes")
    said("lock", run, "-m", "for the night")
    lines = [line.split() for line in said("show", run).splitlines()]
    assert lines[0][-4:] == ["1,", "locked", "by", "anonymous"]
    assert ["rank-0", "active", "0", "0.5", "1", "0"] in lines
    assert ["2", "50", "scale", "anonymous", "the", "loss", "is", "noisy", "cancelled", "by", "3"] in lines
    assert json.loads(said("show", run, "--json"))["run"]["lock"]["reason"] == "for the night"
    assert [run, "active"] in [line.split()[:2] for line in said("runs").splitlines()]
    assert run in [one["run"] for one in json.loads(said("runs", "--json", "--status", "active"))]
    assert "run-locked" in said("events", run)
    assert isinstance(called("hold", run, "--yes").exception, errors.RunLocked)
    said("unlock", run)
    said("hold", run, "--yes")


def test_watching_ends_with_the_run(client: Client, run: str) -> None:
    said("finish", run)
    assert f"{run}: finished, committed to step 0 of 1000" in " ".join(said("watch", run).split())


def test_a_rewind_says_what_it_drops(client: Client, run: str) -> None:
    client.window(run, {"worker": "rank-0", "step": 0})
    client.revise(run, {"kind": "hold"}, from_step=50)
    shown = said("rewind", run, "4", "--yes")
    assert f"{run} goes back from step 8 to 4; dropped: [2]" in shown
    assert "attempt 2 begins at step 4" in shown


def test_a_file_is_applied_once_and_says_where_it_comes_from(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    text = "run: cli-filed\nlabels: {team: a}\nplan: {tracks: {lr: {kind: constant, value: 3e-4}}}\n"
    file.write_text(text)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        completed(["git", *words], 60, cwd=tmp_path)
    assert "would be created" in said("apply", "-f", file, "--dry-run")
    assert "cli-filed is created" in said("apply", "-f", file)
    assert (client.run("cli-filed")["labels"], client.run("cli-filed")["plan"]["tracks"]["lr"]["value"]) == (
        {"team": "a"},
        3e-4,
    )
    assert "follows" in said("apply", "-f", file)
    file.write_text(text.replace("3e-4", "1.5e-4"))
    shown = said("apply", "-f", file, "--dry-run")
    assert ["/tracks/lr/value", "0.0003", "0.00015"] in [line.split() for line in shown.splitlines()]
    assert client.run("cli-filed")["revision"] == 1
    for _ in range(2):
        said("apply", "-f", file, "--yes")
    history = client.revisions("cli-filed")
    assert len(history) == 2
    commit = completed(["git", "log", "-1", "--format=%h"], 60, cwd=tmp_path).strip()
    assert history[1]["reason"] == f"run.yaml at {commit}, changed since"


def test_a_schedule_is_evaluated_explained_and_drawn(client: Client, run: str) -> None:
    ramp = '{"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 10}'
    assert [line.split() for line in said("eval", ramp, "--steps", "0,5,10").splitlines()[1:]] == [
        ["0", "0"],
        ["5", "0.5"],
        ["10", "1"],
    ]
    assert json.loads(said("eval", ramp, "--steps", "0:11:5", "--json"))["values"] == [0.0, 0.5, 1.0]
    assert json.loads(said("explain", ramp))["maximum"]["value"] == 1.0
    drawn = said("plot", run).splitlines()
    assert len(drawn) == cli.ROWS
    assert drawn[0].split() == ["1", "█▆▅▃▂"]  # the steps 0, 16, 32, …: 1.6 % down each, in eighths of a twelfth


def test_blocks_stand_for_values() -> None:
    lines = cli.chart([1.0, 0.5, 0.0]).splitlines()
    assert [line[11:] for line in lines] == ["█  "] * 6 + ["██ "] * 6
    assert (lines[0][:10].strip(), lines[-1][:10].strip()) == ("1", "0.08333")
    assert cli.chart([0.0, 0.0]).splitlines()[-1][11:] == "  "


def test_the_doctor_says_what_to_mend(client: Client, shared: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    well = json.loads(said("doctor", "--json"))
    assert (well["url"], well["ready"], well["access"], well["token"]) == (shared.url, "yes", "yes", False)
    assert abs(well["clock_ahead_seconds"]) <= 2
    refusing = FakeService()
    refusing.status = 401
    monkeypatch.setattr(cli, "Client", lambda: Client(transport=refusing.transport))
    assert isinstance(called("doctor").exception, errors.Refused)


@pytest.mark.parametrize(
    ("words", "url", "code", "line"),
    [
        (["show", "nowhere"], None, cli.REFUSED, "lockstep: there is no run named 'nowhere'"),
        (["scale", "nowhere"], "http://127.0.0.1:9", cli.UNAVAILABLE, "lockstep: http://127.0.0.1:9 cannot be reached"),
        (["runs"], "ftp://x", cli.MISUSED, "lockstep: The address of the service"),
        (["replace", "x", "no/such/file"], None, cli.MISUSED, "lockstep: no/such/file: "),
        (["scale"], None, cli.MISUSED, "Usage:"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    client: Client,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    url: str,
    code: int,
    line: str,
) -> None:
    if url is not None:
        monkeypatch.setenv("LOCKSTEP_URL", url)
    monkeypatch.setattr(sys, "argv", ["lockstep", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == code
    assert capfd.readouterr().err.lstrip().startswith(line)
