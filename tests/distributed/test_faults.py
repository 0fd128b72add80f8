"""The fault campaign: four ranks train while everything goes wrong that a cluster has, one thing after the other.

A case is a fault, an agreement mode and outage policies (see campaign.py). What must hold is said by the three tests.
The service and every rank run on wall clocks that the test can set (libfaketime).
"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns import Figures, sampled
from tests.clients.waiting import until
from tests.distributed.conftest import RANKS, Clocks
from tests.distributed.proxy import Proxy, proxied
from tests.processes import publish
from tests.ranks import Ranks, Task
from tests.service import ROOT, Service, running

pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.distributed, pytest.mark.timeout(240)]

PLAN = {"tracks": {"lr": {"kind": "ramp", "shape": "cosine", "start": 0.05, "end": 0.001, "steps": 20_000}}}
PATIENCE = 90.0
OUTAGES = ("killed", "stopped", "errors", "garbage", "cut")
FAULTS = (*OUTAGES, "restarted", "slow", "clocks", "slow rank")


class Campaign:
    """The ranks, the service, and the ways between them."""

    def __init__(self, folder: Path, ranks: Ranks, service: Service, proxy: Proxy, clock: Path) -> None:
        self.folder, self.ranks, self.service, self.proxy, self.clock = folder, ranks, service, proxy, clock
        self.client = httpx.Client(base_url=service.url, timeout=30)
        self.cases = 0

    @contextlib.contextmanager
    def fault(self, kind: str, rank: int) -> Iterator[bool]:
        """A fault for the length of a block; gives whether the service can be told anything meanwhile."""
        if kind == "killed":
            self.service.kill()
            yield False
            self.service.start()
        elif kind == "restarted":
            self.service.stop()
            self.service.start()
            yield True
        elif kind == "stopped":
            self.service.signal(signal.SIGSTOP)
            yield False
            self.service.signal(signal.SIGCONT)
        elif kind == "slow rank":
            (self.folder / "slow-rank").touch()
            yield True
            (self.folder / "slow-rank").unlink()
        elif kind == "clocks":
            self.clock.write_text("+3600\n")
            yield True
            self.clock.write_text("-86400\n")
            time.sleep(1.0)
            self.clock.write_text("+0\n")
        else:
            self.proxy.inject(kind, *([rank] if kind == "cut" else range(RANKS)))
            yield True
            self.proxy.heal()

    def begin(self, agreement: str, policies: tuple[str, ...], lead_seconds: float, timeout: float = 1.0) -> "Case":
        """Let the ranks begin a case."""
        number, self.cases = self.cases, self.cases + 1
        about = {"name": f"case-{number}", "plan": PLAN, "urls": self.proxy.urls, "agreement": agreement}
        limits = {"policies": policies, "lead_seconds": lead_seconds, "timeout": timeout}
        script = ROOT / "tests/distributed/campaign.py"
        task = self.ranks.begin(script, str(self.folder), str(number), json.dumps(about | limits))
        return Case(self, number, policies, task)


class Case:
    """One case under way: where it is, its controller, its end."""

    def __init__(self, campaign: Campaign, number: int, policies: tuple[str, ...], task: Task) -> None:
        self.campaign, self.number, self.policies, self.task = campaign, number, policies, task

    def status(self, rank: int = 0) -> dict[str, Any]:
        """What a rank said last of this case: the step it has made, and for every living policy the value's reason."""
        path = self.campaign.folder / f"status-{rank}.json"
        said: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return said if said.get("case") == self.number else {"step": -1, "reasons": {}}

    def wait(self, condition: Callable[[], object]) -> None:
        """Until the condition holds. Nothing may take longer than a minute or so: that would be a hang."""
        until(lambda: self.task.failed() or condition(), PATIENCE, pause=0.05)
        if self.task.failed():
            self.task.finish(0)

    def reach(self, step: int) -> None:
        self.wait(lambda: self.status()["step"] >= step or self.task.over())

    def get(self, policy: str, path: str = "", **query: Any) -> Any:
        answer = self.campaign.client.get(f"/v1/runs/case-{self.number}-{policy}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def revise(self, factor: float) -> int:
        """Scale the curve of every policy; the latest of the steps from which that holds."""
        steps = []
        for policy in self.policies:
            body = {"action": {"kind": "scale", "factor": factor}}
            answer = self.campaign.client.post(f"/v1/runs/case-{self.number}-{policy}/revisions", json=body)
            assert answer.status_code == 201, answer.text
            steps.append(int(answer.json()["from_step"]))
        return max(steps)

    @contextlib.contextmanager
    def kept(self, step: int) -> Iterator[int]:
        """For the length of a block no rank makes this step."""
        gate = self.campaign.folder / "gate"
        publish(gate, step)
        try:
            yield step
        finally:
            gate.unlink()

    def heard_of(self, policy: str) -> list[int]:
        """The step of every rank, as the service heard of it last."""
        return [worker["step"] for worker in self.get(policy, "/workers")["items"]]

    def end(self) -> dict[str, list[dict[str, Any]]]:
        """Let the case end; by policy, what every rank has to say."""
        (self.campaign.folder / f"stop-{self.number}").touch()
        self.task.finish(PATIENCE)
        results = [self.campaign.folder / f"result-{self.number}-{rank}.json" for rank in range(RANKS)]
        ranks = [json.loads(path.read_text()) for path in results]
        return {policy: [rank[policy] for rank in ranks] for policy in self.policies}

    def compare(self, policy: str, ranks: list[dict[str, Any]]) -> tuple[set[int], set[int]]:
        """The steps at which a rank used another value than the committed one, and those not known to be verified."""
        (executed,) = {len(rank["rates"]) for rank in ranks}
        committed = self.get(policy, "/values", start=0, stop=executed)["values"]["lr"]
        astray = {step for rank in ranks for step in range(executed) if rank["rates"][step] != committed[step]}
        verified_until = min(worker["verified_until"] for worker in self.get(policy, "/workers")["items"])
        spans = [*self.get(policy)["unverified"], [verified_until, executed]]
        return astray, {step for start, stop in spans for step in range(start, stop)}


@pytest.fixture(scope="module")
def campaign(ranks: Ranks, clocks: Clocks | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    if clocks is None:
        pytest.skip("libfaketime is not installed")
    folder = tmp_path_factory.mktemp("campaign")
    with running(folder, environment=clocks.env) as service, proxied(service.url, RANKS) as proxy:
        one = Campaign(folder, ranks, service, proxy, clocks.file)
        with contextlib.closing(one.client):
            first = one.begin("broadcast", ("wait",), 0.5)  # the first update of a process imports for seconds
            first.reach(20)
            first.end()
            yield one


def cases(*several: tuple[str, ...], faults: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """Each of several groups of policies with each fault."""
    return [(policies, fault) for policies in several for fault in faults]


def named(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "-".join(value)


APART = ("follow", "freeze", "raise")  # policies that end by themselves while `wait` waits


@pytest.mark.parametrize(("policies", "fault"), sampled(cases(APART, ("wait",), faults=FAULTS), 1), ids=named)
def test_in_broadcast_mode_all_ranks_stay_identical(
    campaign: Campaign, record_property: Figures, policies: tuple[str, ...], fault: str
) -> None:
    """In every case and under every policy; and what was used is committed, fallback included, or it is marked.

    (An answer that was lost may have committed steps that the ranks then had to do without.)
    """
    case = campaign.begin("broadcast", policies, 0.5)
    case.reach(20)
    case.reach(case.revise(0.5))
    suffer(case, fault, 0, until_alone=True)
    case.reach(case.revise(0.5) + 20)
    for policy, ranks in case.end().items():
        rates = ranks[0]["rates"]
        assert [rank["rates"] == rates for rank in ranks] == [True] * RANKS, policy
        assert [rank["difference"] for rank in ranks] == [0.0] * RANKS, policy
        assert [rank["reasons"] for rank in ranks] == [ranks[0]["reasons"]] * RANKS, policy
        failed = [rank["error"] is not None for rank in ranks]
        assert failed == [policy == "raise" and failed[0]] * RANKS, ranks[0]["error"]
        if fault in OUTAGES and policy == "raise":
            assert all("NoValue" in rank["error"] for rank in ranks)
        if fault in OUTAGES and policy in ("follow", "freeze"):  # a tail that a revision has outdated is not followed
            assert {"follow", "freeze"} & set(ranks[0]["reasons"])
        if policy in ("wait", "raise"):
            assert ranks[0]["reasons"] == ["committed"]
        astray, unverified = case.compare(policy, ranks)
        record_property("steps at four ranks", len(ranks[0]["rates"]))
        record_property("steps used but not verified", len(unverified))
        assert astray <= unverified, policy
        if policy in ("wait", "raise"):
            assert astray == set(), policy
            assert case.get(policy)["unverified"] == [], policy


@pytest.mark.parametrize("fault", sampled(FAULTS, 1))
def test_in_commit_mode_an_outage_shorter_than_half_the_lead_is_not_noticed(
    campaign: Campaign, record_property: Figures, fault: str
) -> None:
    """Whatever the policy: the values in hand last longer.

    Half of the lead is so many steps, not a time: until the outage is over nobody makes more of them than that.
    """
    policies = ("follow", "freeze", "wait", "raise")
    lead = 30.0 if fault == "stopped" else 20.0
    case = campaign.begin("commit", policies, lead, timeout=20.0)
    case.reach(100)
    # All windows have been given at the pace that the ranks have now: at half of them, half of the lead is left.
    case.wait(lambda: min(case.status(rank)["seconds_in_hand"] for rank in range(RANKS)) > 0.7 * lead)
    held = min(case.status(rank)["held_until"] for rank in range(RANKS))
    with case.kept((case.status()["step"] + held) // 2) as gate:
        suffer(case, fault, 2)
        if fault in OUTAGES:
            case.wait(lambda: all(step >= gate for policy in policies for step in case.heard_of(policy)))
    case.reach(case.status()["step"] + 50)
    for policy, ranks in case.end().items():
        rates = ranks[0]["rates"]
        assert [rank["error"] for rank in ranks] == [None] * RANKS, policy
        assert [rank["reasons"] for rank in ranks] == [["committed"]] * RANKS, policy
        assert [rank["rates"] == rates for rank in ranks] == [True] * RANKS, policy
        assert [rank["difference"] for rank in ranks] == [0.0] * RANKS, policy
        astray, unverified = case.compare(policy, ranks)
        record_property("steps at four ranks", len(ranks[0]["rates"]))
        record_property("steps used but not verified", len(unverified))
        assert astray == set(), policy
        assert unverified <= {len(rates) - 1}, policy  # the last one perhaps unreported


@pytest.mark.parametrize(("policies", "fault"), sampled(cases(APART, ("wait",), faults=OUTAGES), 1), ids=named)
def test_in_commit_mode_a_longer_outage_is_waited_for_or_marked(
    campaign: Campaign, record_property: Figures, policies: tuple[str, ...], fault: str
) -> None:
    """`wait` keeps the ranks identical, `raise` ends the job, and who went its own way is marked unverified."""
    case = campaign.begin("commit", policies, 0.5)
    case.reach(20)
    case.reach(case.revise(0.5))
    suffer(case, fault, 2, until_alone=True)
    case.reach(case.revise(0.5) + 20)
    for policy, ranks in case.end().items():
        astray, unverified = case.compare(policy, ranks)
        record_property("steps at four ranks", len(ranks[0]["rates"]))
        record_property("steps used but not verified", len(unverified))
        assert astray <= unverified, policy
        if policy in ("wait", "raise"):
            assert astray == set(), policy
            assert [rank["reasons"] for rank in ranks] == [["committed"]] * RANKS, policy
        if policy == "raise":
            assert any("NoValue" in (rank["error"] or "") for rank in ranks)
        else:
            assert [rank["error"] for rank in ranks] == [None] * RANKS, policy
        if not astray:
            assert [rank["difference"] for rank in ranks] == [0.0] * RANKS, policy


def suffer(case: Case, fault: str, rank: int, *, until_alone: bool = False) -> None:
    """A fault that lasts a while after the first request that it has harmed, and with `until_alone` after the policies

    that need not wait have done what they do. A cut hits this rank, the other faults all of them.
    """
    proxy = case.campaign.proxy
    before = proxy.harmed
    with case.campaign.fault(fault, rank) as reachable:
        if reachable:
            case.revise(0.9)
        if fault in ("killed", "errors", "garbage", "cut", "slow"):
            case.wait(lambda: proxy.harmed > before)
        if until_alone and fault in OUTAGES and "raise" in case.policies:
            case.wait(lambda: alone(case.status(rank)["reasons"]))
        time.sleep(10.0 if fault == "stopped" else 1.2)  # the length of the fault, not a guess at somebody's speed


def alone(reasons: dict[str, str]) -> bool:
    """Nobody has a committed value any more: `follow` and `freeze` go on without, `raise` has ended."""
    return "raise" not in reasons and "committed" not in reasons.values()
