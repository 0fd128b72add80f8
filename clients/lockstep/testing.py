"""A service in your own process, for tests of training code: no network, no database, no thread.

    service = FakeService(lambda step: 0.1 * 0.9**step)
    scheduler = LockstepLR(optimizer, run="test", transport=service.transport)

It keeps the rules that training code can notice: windows of committed values, revisions from the horizon on, rewinds
and attempts, refusals, returns from an outage, verified reports. It does not evaluate plans: the curve is yours.
"""

import json
import math
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lockstep.errors import PREFIX
from lockstep.report import crc32
from lockstep.transport import BaseTransport, mock_transport

Curve = Callable[[int], float]
CurveLike = Curve | Sequence[float] | float


class FakeService:
    """A fake of the service with one curve per base track.

    `curves` is a number, a list of values (the last one holds), a function of the step, or a mapping of tracks to
    those; `derived` gives derived tracks as (base track, factor), `relative` names relative ones. Every
    run has the same curves. Windows are `lead` steps long.

    Faults are attributes that may change at any time: `down` (nothing listens), `hangs` (requests time out), `status`
    (answer every request with this error), `garbage` (answer nonsense), `delay_seconds`. `requests` holds what came in
    as (method, path, body).
    """

    def __init__(
        self,
        curves: CurveLike | Mapping[str, CurveLike] = 0.1,
        *,
        derived: Mapping[str, tuple[str, float]] | None = None,
        relative: Sequence[str] = (),
        lead: int = 64,
    ) -> None:
        given = curves if isinstance(curves, Mapping) else {"lr": curves}
        self._curves = {track: _curve(like) for track, like in given.items()}
        self._derived, self._relative = dict(derived or {}), list(relative)
        self.lead = lead
        self.down = self.hangs = self.garbage = False
        self.status: int | None = None
        self.delay_seconds = 0.0
        self.requests: list[tuple[str, str, Any]] = []
        self.runs: dict[str, FakeRun] = {}
        self._uids = 0
        self._lock = threading.Lock()
        self._released = threading.Event()

    @property
    def transport(self) -> BaseTransport:
        """What `Client`, `Follower` and the adapters take as `transport=`."""
        return mock_transport(self.answer)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """The same over real HTTP, for several processes: gives the address."""
        handler = type("Handler", (_Handler,), {"service": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def release(self) -> None:
        """Let go of the requests that `delay_seconds` holds up, and of all later ones."""
        self._released.set()

    def create(self, run: str, plan: Mapping[str, Any] | None = None, start_step: int = 0) -> "FakeRun":
        """A run, without a request."""
        self._uids += 1
        fake = FakeRun(self, run, f"uid-{self._uids}", dict(plan or {}), start_step)
        self.runs[run] = fake
        return fake

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "Reply":
        """One request, faults included. Raises `ConnectionError` and `TimeoutError` for `down` and `hangs`."""
        path = urlsplit(target).path
        query = {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}
        document = json.loads(body) if body else None
        self.requests.append((method, path, document))
        if self.down:
            raise ConnectionError("nothing listens here")
        if self.hangs:
            raise TimeoutError("no answer")
        if self.delay_seconds:
            self._released.wait(self.delay_seconds)
        if self.garbage:
            return 200, {"content-type": "text/html"}, b"<html>Bad gateway</html>"
        if self.status is not None:
            return self.status, {"content-type": "text/plain"}, b"an error of your choice"
        with self._lock:
            try:
                return self._route(method, path.strip("/").split("/")[1:], query, headers, document)
            except Problem as problem:
                return problem.reply()

    def _route(
        self, method: str, parts: list[str], query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> "Reply":
        if parts == ["runs"]:
            if method == "GET":
                return _json(200, {"items": [run.describe() for run in self.runs.values()], "next_cursor": None})
            found = self.runs.get(body["run"])
            if found is not None:
                if found.archived:
                    raise Problem(409, "run-archived", f"run {found.name} is archived", uid=found.uid)
                whole = [{"pointer": "", "posted": body["plan"], "run": found.plan}] * (found.plan != body["plan"])
                if whole and body.get("if_exists") == "replace":
                    found.revise({"kind": "scale", "factor": 1.0}, reason="the plan that the script has now")
                    found.plan = body["plan"]
                elif whole and body.get("if_exists") != "keep":
                    about = {"uid": found.uid, "differences": whole}
                    raise Problem(409, "run-exists", f"run {found.name} exists with another plan", **about)
                return _json(200, found.describe() | {"differences": whole})
            return _json(201, self.create(body["run"], body["plan"], body.get("start_step") or 0).describe())
        run = self.runs.get(parts[1]) if len(parts) > 1 else None
        if run is None:
            raise Problem(404, "unknown-run", f"there is no run {parts[1] if len(parts) > 1 else ''!r}")
        match method, *parts[2:]:
            case ("GET",):
                return _json(200, run.describe())
            case "POST", "windows":
                return _json(200, run.window(body))
            case "GET", "values":
                return run.values(query, binary="octet-stream" in headers.get("accept", ""))
            case "POST", "revisions":
                return _json(201, run.revise(body["action"], body.get("from_step"), body.get("reason", "")))
            case "GET", "revisions":
                return _json(200, {"items": run.revisions, "next_cursor": None})
            case "POST", "rewind":
                return _json(200, run.rewind(body["to_step"], body.get("action")))
            case "GET", "workers":
                return _json(200, {"items": list(run.workers.values()), "next_cursor": None})
            case "POST", "archive":
                run.archived = True
                return _json(200, run.describe())
        raise Problem(404, "not-found", f"the fake does not know {method} /{'/'.join(parts)}")


class FakeRun:
    """One run of the fake: what is committed, the revisions, the workers."""

    def __init__(self, service: FakeService, name: str, uid: str, plan: dict[str, Any], start_step: int) -> None:
        self._service = service
        self.name, self.uid, self.plan, self.start_step = name, uid, plan, start_step
        self.attempt, self.horizon, self.archived = 1, start_step, False
        self.committed: dict[str, list[float]] = {track: [] for track in service._curves}
        self.in_force: list[int] = []  # the revision behind every committed step
        self.revisions: list[dict[str, Any]] = [{"number": 1, "from_step": start_step, "action": {"kind": "create"}}]
        self.workers: dict[str, dict[str, Any]] = {}
        self.unverified: list[list[int]] = []
        self.unverified_reasons: list[dict[str, Any]] = []
        self.rewinds: list[int] = []  # to which step each rewind went
        self._numbers = 1

    def describe(self) -> dict[str, Any]:
        names = ("uid", "attempt", "start_step", "horizon", "plan", "unverified", "unverified_reasons")
        status = "archived" if self.archived else "active"
        about = {"run": self.name, "status": status, "revision": self._newest()}
        return about | {"total_steps": self.plan.get("total_steps")} | {name: getattr(self, name) for name in names}

    def planned(self, track: str, step: int, newest: int | None = None) -> float:
        """The value of the curve at `step`, with the revisions up to number `newest`."""
        value = self._service._curves[track](step)
        for revision in sorted(self.revisions, key=lambda r: (r["from_step"], r["number"])):
            if revision["from_step"] <= step and (newest is None or revision["number"] <= newest):
                action = revision["action"]
                if track in action.get("tracks", ["lr"]):
                    value = action["value"] if action["kind"] == "set" else value * action.get("factor", 1.0)
        return value + 0.0

    def value(self, step: int, track: str = "lr") -> float:
        """The committed value at `step`; IndexError beyond the horizon."""
        return self.committed[track][step - self.start_step]

    def revise(self, action: Mapping[str, Any], from_step: int | None = None, reason: str = "") -> dict[str, Any]:
        """Append a revision; the fake knows `scale` (with `factor`) and `set`."""
        if action.get("kind") not in ("scale", "set"):
            raise Problem(422, "invalid", f"the fake knows the actions scale and set, not {action.get('kind')!r}")
        if from_step is not None and from_step < self.horizon:
            detail = f"step {from_step} is committed; the earliest step is {self.horizon}"
            raise Problem(409, "below-horizon", detail, earliest_step=self.horizon, horizon=self.horizon)
        self._numbers += 1
        revision = {
            "number": self._numbers,
            "attempt": self.attempt,
            "from_step": self.horizon if from_step is None else from_step,
            "action": dict(action),
            "reason": reason,
            "author": "test",
        }
        self.revisions.append(revision)
        return revision

    def rewind(self, to_step: int, action: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Start the next attempt at `to_step`."""
        if to_step > self.horizon:
            raise Problem(409, "step-beyond-horizon", f"the horizon is {self.horizon}", horizon=self.horizon)
        dropped = [r["number"] for r in self.revisions if r["from_step"] > to_step]
        self.revisions = [r for r in self.revisions if r["from_step"] <= to_step]
        self.attempt, self.horizon = self.attempt + 1, to_step
        self.rewinds.append(to_step)
        del self.in_force[to_step - self.start_step :]
        for column in self.committed.values():
            del column[to_step - self.start_step :]
        self.workers.clear()
        if action is not None:
            self.revise(action, to_step)
        return self.describe() | {"dropped": dropped}

    def window(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The window call."""
        self._refuse(request)
        step, at = request["step"], request.get("at", request["step"])
        worker = self.workers.setdefault(request["worker"], {"worker": request["worker"], "verified_until": step})
        if worker.get("instance") not in (None, request.get("instance")):
            worker["verified_until"] = step
        elif (moved_from := request.get("moved_from")) is not None:
            self._owe(worker, min(moved_from, step))
            worker["verified_until"] = max(worker["verified_until"], step)
        worker |= {"step": at, "instance": request.get("instance"), "attempt": self.attempt}
        worker["state"] = "left" if request.get("leaving") else "active"
        told = request.get("fallback")
        if step > self.horizon and told:
            newest, last = told["revision"], self.value(self.horizon - 1) if self.horizon > self.start_step else 0.0
            tail_stop = told["start"] if told["policy"] == "freeze" else told["tail_stop"] or step
            held = {t: c[-1] if c else last for t, c in self.committed.items()}
            while self.horizon < step:
                if self.horizon < tail_stop:
                    held = {track: self.planned(track, self.horizon, newest) for track in self.committed}
                self._commit(held, newest)
            for revision in self.revisions:
                if revision["number"] > newest and told["start"] <= revision["from_step"] < step:
                    revision["from_step"] = step
        if not request.get("leaving") and 4 * (self.horizon - at) < 3 * self._service.lead:
            while self.horizon < max(at + self._service.lead, step):
                values = {track: self.planned(track, self.horizon) for track in self.committed}
                self._commit(values, self._force(self.horizon))
        for entry in request.get("group") or []:
            applied, name = entry.get("applied"), entry["worker"]
            start = entry["at"] if applied is None else applied["start"]
            member = self.workers.setdefault(name, {"worker": name, "verified_until": start})
            member |= {"step": entry["at"], "instance": entry.get("instance"), "attempt": self.attempt}
            member["state"] = "left" if entry.get("leaving") else "active"
            self._verify(member, applied)
        self._verify(worker, request.get("applied"))
        stop = step
        while stop < self.horizon and self._at(stop) == self._at(step):
            stop += 1
        low, high = step - self.start_step, stop - self.start_step
        return {
            "run": self.name,
            "uid": self.uid,
            "attempt": self.attempt,
            "start": step,
            "stop": stop,
            "revision": self._at(step) if stop > step else self._force(step),
            "newest": self._newest(),
            "horizon": self.horizon,
            "verified_until": worker["verified_until"],
            "values": {track: column[low:high] for track, column in self.committed.items()},
            "derived": {track: {"of": of, "times": times} for track, (of, times) in self._service._derived.items()},
            "relative": self._service._relative,
            "group": {e["worker"]: self.workers[e["worker"]]["verified_until"] for e in request.get("group") or []},
        }

    def values(self, query: Mapping[str, str], *, binary: bool) -> "Reply":
        """Committed values below the horizon, planned ones beyond."""
        start, stop = int(query["start"]), int(query["stop"])
        columns = {
            track: [self.value(s, track) if s < self.horizon else self.planned(track, s) for s in range(start, stop)]
            for track in sorted(self.committed)
        }
        if binary:
            data = array("d", [value for column in columns.values() for value in column])
            if sys.byteorder == "big":
                data.byteswap()
            headers = {"lockstep-tracks": ",".join(columns), "lockstep-newest": str(self._newest())}
            return 200, headers | {"content-type": "application/octet-stream"}, data.tobytes()
        about = {"run": self.name, "attempt": self.attempt, "start": start, "stop": stop, "stride": 1}
        return _json(200, about | {"committed_until": max(start, min(stop, self.horizon)), "values": columns})

    def _refuse(self, request: Mapping[str, Any]) -> None:
        uid, attempt, step = request.get("uid"), request.get("attempt"), request["step"]
        seen, told = request.get("seen") or {"revision": 0, "horizon": 0}, request.get("fallback")
        if self.archived:
            raise Problem(409, "run-archived", f"run {self.name} is archived", uid=self.uid)
        if uid not in (None, self.uid):
            raise Problem(409, "run-replaced", f"run {self.name} is now {self.uid}", uid=self.uid)
        if attempt is not None and attempt < self.attempt:
            to_step = self.rewinds[attempt - 1]
            detail = f"attempt {attempt} ended: the run was rewound to step {to_step}"
            raise Problem(409, "attempt-superseded", detail, attempt=self.attempt, to_step=to_step)
        if seen["revision"] > self._newest() or (attempt == self.attempt and seen["horizon"] > self.horizon):
            raise Problem(409, "history-behind", "the database is older than this worker", horizon=self.horizon)
        if step < self.start_step:
            raise Problem(422, "invalid", f"the run starts at step {self.start_step}")
        if step > self.horizon and not told:
            raise Problem(409, "step-beyond-horizon", f"the horizon is {self.horizon}", horizon=self.horizon)

    def _verify(self, worker: dict[str, Any], applied: Mapping[str, Any] | None) -> None:
        if applied is None:
            return
        start, stop = applied["start"], applied["stop"]
        if stop > self.horizon:
            raise Problem(422, "invalid", f"nothing is committed at step {self.horizon} or later")
        self._owe(worker, start)
        low, high = start - self.start_step, stop - self.start_step
        if crc32({track: self.committed[track][low:high] for track in applied["tracks"]}) != applied["crc32"]:
            self._mark(worker, start, stop, "mismatch")
        for mark in applied.get("marks", []):
            self._mark(worker, mark["start"], min(mark["stop"], self.horizon), mark["reason"])
        worker["verified_until"] = max(worker["verified_until"], stop)

    def _owe(self, worker: Mapping[str, Any], stop: int) -> None:
        if worker["verified_until"] < stop:  # nobody ever reported these
            self._mark(worker, worker["verified_until"], stop, "unreported")

    def _mark(self, worker: Mapping[str, Any], start: int, stop: int, reason: str) -> None:
        about = {"worker": worker["worker"], "reason": reason}
        last = self.unverified_reasons[-1] if self.unverified_reasons else {}
        if last.get("stop", -1) >= start >= last["start"] and last == last | about:  # goes on
            last["stop"] = self.unverified[-1][1] = max(stop, last["stop"])
        elif start < stop:
            self.unverified.append([start, stop])
            self.unverified_reasons.append({"start": start, "stop": stop, **about})

    def _commit(self, values: Mapping[str, float], revision: int) -> None:
        for track, value in values.items():
            self.committed[track].append(value)
        self.in_force.append(revision)
        self.horizon += 1

    def _at(self, step: int) -> int:
        index = step - self.start_step
        return self.in_force[index] if index < len(self.in_force) else self._force(step)

    def _force(self, step: int) -> int:
        in_order = sorted((r["from_step"], r["number"]) for r in self.revisions if r["from_step"] <= step)
        return int(in_order[-1][1])

    def _newest(self) -> int:
        return self._numbers


Reply = tuple[int, dict[str, str], bytes]


class Problem(Exception):
    """A refusal of the fake; over HTTP it is a problem document."""

    def __init__(self, status: int, name: str, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.status, self.name, self.members = status, name, members

    def reply(self) -> Reply:
        body = {"type": PREFIX + self.name, "title": self.name, "status": self.status, "detail": str(self)}
        return _json(self.status, body | self.members)


class _Handler(BaseHTTPRequestHandler):
    service: FakeService
    protocol_version = "HTTP/1.1"

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            status, answer, content = self.service.answer(self.command, self.path, headers, body)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in (answer | {"content-length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _respond

    def log_message(self, format: str, *args: Any) -> None:
        """Tests need no access log."""


def _json(status: int, document: Mapping[str, Any]) -> Reply:
    return status, {"content-type": "application/json"}, json.dumps(document).encode()


def _curve(like: CurveLike) -> Curve:
    if callable(like):
        return like
    if isinstance(like, (int, float)):
        constant = float(like)
        if not (math.isfinite(constant) and constant >= 0):
            raise ValueError(f"{like} is no rate")
        return lambda step: constant
    values = [float(value) for value in like]
    return lambda step: values[min(step, len(values) - 1)]
