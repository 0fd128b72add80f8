"""`Client`: every call of the service as a method, for controllers and workers. Answers are plain dictionaries."""

import os
import sys
import uuid
from array import array
from collections.abc import Mapping
from typing import Any, Protocol, Self
from urllib.parse import quote

from lockstep.errors import Misused, Unavailable
from lockstep.transport import BaseTransport, Response, Transport

Answer = dict[str, Any]


class Dumps(Protocol):
    """Anything like a pydantic model."""

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


Document = Mapping[str, Any] | Dumps


class Client:
    """A service of Lockstep, reached over HTTP.

    `url` defaults to `LOCKSTEP_URL`, `token` to `LOCKSTEP_TOKEN`, and `author`, who makes changes where no token says
    so, to `LOCKSTEP_AUTHOR`. The url `local` is a service on a file beside the job (`lockstep.local`). `timeout` is in
    seconds, per call; `transport` is an httpx transport, for tests (`lockstep.testing`). Calls that change something
    carry an idempotency key and are tried
    once more when the connection drops, so nothing is done twice. Fields that this release does not know are kept.

    Raises `Unavailable` (no usable answer) and `Refused` (the service said no); see `lockstep.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        author: str | None = None,
        timeout: float = 5.0,
        transport: BaseTransport | None = None,
    ) -> None:
        url = url or os.environ.get("LOCKSTEP_URL") or ("http://lockstep.invalid" if transport else None)
        if url == "local" and transport is None:
            from lockstep.local import address  # not everybody's system has what it takes

            url = address()
        if url is None:
            raise Misused("Where is the service? Pass url='http://host:8000' or set LOCKSTEP_URL.")
        if not url.startswith(("http://", "https://")):
            raise Misused(f"The address of the service starts with http:// or https://, and {url!r} does not.")
        token = token or os.environ.get("LOCKSTEP_TOKEN")
        author = author or os.environ.get("LOCKSTEP_AUTHOR")
        self._transport = Transport(url, token=token, author=author, timeout=timeout, transport=transport)
        self.url = self._transport.url

    # Runs

    def create_run(
        self,
        run: str,
        plan: Document,
        *,
        labels: Mapping[str, str] | None = None,
        start_step: int | None = None,
        lead_seconds: float | None = None,
        max_window: int | None = None,
        bounds: Mapping[str, Any] | None = None,
        if_exists: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Create a run, or find the one that was created with the same plan.

        With `if_exists="keep"` a run with another plan is followed as it is, with `"replace"` the plan becomes a
        revision at its horizon; otherwise that is `RunExists`.
        """
        body = _given(
            run=run,
            plan=as_document(plan),
            labels=None if labels is None else dict(labels),
            start_step=start_step,
            lead_seconds=lead_seconds,
            max_window=max_window,
            bounds=bounds,
            if_exists=if_exists,
        )
        return self._change("POST", "/v1/runs", body, key)

    def run(self, run: str) -> Answer:
        """One run: uid, status, attempt, horizon, revision, plan, unverified ranges, …"""
        return self._transport.json("GET", _path(run))

    def runs(self, **filters: Any) -> list[Answer]:
        """All runs, all pages; `filters` are those of the call, e.g. `status="running"`."""
        return self._pages("/v1/runs", filters)

    def patch(self, run: str, **changes: Any) -> Answer:
        """Change labels, `lead_seconds`, `max_window` or bounds."""
        return self._transport.json("PATCH", _path(run), body=changes, repeat=True)

    def finish(self, run: str) -> Answer:
        """Mark a run as finished; the next commit reopens it."""
        return self._change("POST", _path(run, "/finish"), None, None)

    def lock(self, run: str, *, reason: str | None = None, key: str | None = None) -> Answer:
        """Let nothing of a run change (`RunLocked`) until it is unlocked, but for what is forced. Workers go on."""
        return self._change("POST", _path(run, "/lock"), _given(reason=reason), key)

    def unlock(self, run: str) -> Answer:
        """Let a run change again."""
        return self._change("POST", _path(run, "/unlock"), None, None)

    def archive(self, run: str) -> Answer:
        """Close a run for good; its name stays taken."""
        return self._change("POST", _path(run, "/archive"), None, None)

    def workers(self, run: str) -> list[Answer]:
        """The workers of a run: step, pace, last seen, verified until, state."""
        return self._pages(_path(run, "/workers"), {})

    def events(self, run: str) -> list[Answer]:
        """What happened to a run, from the first event on."""
        return self._pages(_path(run, "/events"), {})

    # Values

    def window(self, run: str, request: Mapping[str, Any], *, timeout: float | None = None) -> Answer:
        """Committed values for a worker (PROTOCOL §2). Asking again is harmless: what is committed never changes."""
        return self._transport.json("POST", _path(run, "/windows"), body=request, timeout=timeout)

    def values(
        self,
        run: str,
        start: int,
        stop: int,
        *,
        stride: int | None = None,
        points: int | None = None,
        attempt: int | None = None,
    ) -> Answer:
        """Values of a run: committed below `committed_until`, planned from there on."""
        params = {"start": start, "stop": stop, "stride": stride, "points": points, "attempt": attempt}
        return self._transport.json("GET", _path(run, "/values"), params=params)

    def raw_values(
        self, run: str, start: int, stop: int, *, attempt: int | None = None, timeout: float | None = None
    ) -> tuple[dict[str, "array[float]"], Mapping[str, str]]:
        """As `values` with stride 1, as float64 bytes: arrays by base track, and the answer's headers."""
        response = self._transport.send(
            "GET",
            _path(run, "/values"),
            params={"start": start, "stop": stop, "attempt": attempt},
            headers={"accept": "application/octet-stream"},
            timeout=timeout,
        )
        return decode_tracks(response), response.headers

    # Changes

    def revise(
        self,
        run: str,
        action: Document,
        *,
        from_step: int | None = None,
        reason: str | None = None,
        force: bool | None = None,
        if_match: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Append a revision: `action` from `from_step` on, or as soon as possible (the horizon) where that is None.

        `if_match` is the newest revision that the caller knows: `RevisionMismatch` if there is a newer one by now.
        `force` goes against bounds and a lock, and takes the role admin.
        Raises `BelowHorizon` (`.earliest_step`) where `from_step` is committed already.
        """
        body = _given(action=as_document(action), from_step=from_step, reason=reason, force=force)
        return self._change("POST", _path(run, "/revisions"), body, key, _matching(if_match))

    def preview(
        self,
        run: str,
        action: Document,
        *,
        from_step: int | None = None,
        reason: str | None = None,
        force: bool | None = None,
    ) -> Answer:
        """What `revise` would do, before and after, with warnings; changes nothing."""
        body = _given(action=as_document(action), from_step=from_step, reason=reason, force=force)
        return self._transport.json("POST", _path(run, "/revisions/preview"), body=body)

    def revisions(self, run: str, *, plan: bool = False, after: int = 0, timeout: float | None = None) -> list[Answer]:
        """The history after a number, ascending, all pages; with the plans where `plan` is true."""
        params = {"plan": "true" if plan else None, "cursor": after or None}
        return self._pages(_path(run, "/revisions"), params, timeout)

    def revision(self, run: str, number: int) -> Answer:
        """One revision in full, with the plan from its `from_step` on."""
        return self._transport.json("GET", _path(run, f"/revisions/{number}"))

    def rewind(
        self,
        run: str,
        to_step: int,
        *,
        action: Document | None = None,
        reason: str | None = None,
        force: bool | None = None,
        if_match: int | None = None,
        key: str | None = None,
    ) -> Answer:
        """Start the next attempt at `to_step`, with an action in the same move if given. Answers what was dropped."""
        document = None if action is None else as_document(action)
        body = _given(to_step=to_step, action=document, reason=reason, force=force)
        return self._change("POST", _path(run, "/rewind"), body, key, _matching(if_match))

    # Schedules

    def evaluate(self, request: Document) -> Answer:
        """Values of a schedule or a plan; `request` is the body of the call."""
        return self._transport.json("POST", "/v1/schedules/evaluate", body=as_document(request))

    def explain(self, request: Document) -> Answer:
        """What a schedule or a plan means; `request` is the body of the call."""
        return self._transport.json("POST", "/v1/schedules/explain", body=as_document(request))

    # The service

    def health(self) -> tuple[Answer, Mapping[str, str]]:
        """The service's version, and the headers of its answer. It takes no token."""
        response = self._transport.send("GET", "/healthz")
        return self._transport.decode(response), response.headers

    def ready(self) -> None:
        """Raises `Unavailable` where the service cannot commit anything. It takes no token."""
        self._transport.send("GET", "/readyz")

    # Housekeeping

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        key: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        with_key = dict(headers or {}) | {"idempotency-key": key or str(uuid.uuid4())}
        return self._transport.json(method, path, body=body, headers=with_key)

    def _pages(self, path: str, params: Mapping[str, Any], timeout: float | None = None) -> list[Answer]:
        items: list[Answer] = []
        while True:
            page = self._transport.json("GET", path, params=params, timeout=timeout)
            items += page.get("items", [])
            if not (cursor := page.get("next_cursor")):
                return items
            params = {**params, "cursor": cursor}


def as_document(value: Document) -> dict[str, Any]:
    """A plan or an action as JSON data: a mapping as it is, a model through `model_dump`."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.model_dump(mode="json")


def decode_tracks(response: Response) -> dict[str, "array[float]"]:
    """float64 little-endian, one track after another in the order of the header `Lockstep-Tracks`."""
    names = [name.strip() for name in response.headers.get("lockstep-tracks", "").split(",") if name.strip()]
    content = response.content
    if not names or len(content) % (8 * len(names)):
        raise Unavailable("The service answered bytes that are not float64 tracks.")
    size = len(content) // len(names)
    tracks = {}
    for index, name in enumerate(names):
        values = array("d")
        values.frombytes(content[index * size : (index + 1) * size])
        if sys.byteorder == "big":
            values.byteswap()
        tracks[name] = values
    return tracks


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _matching(revision: int | None) -> dict[str, str]:
    return {} if revision is None else {"if-match": f'"{revision}"'}


def _path(run: str, rest: str = "") -> str:
    return f"/v1/runs/{quote(run, safe='')}{rest}"
