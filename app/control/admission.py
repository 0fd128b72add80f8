"""Who may have a window of a run, and who is refused (rules R6 and R7)."""

from app.errors import AttemptSuperseded, HistoryBehind, Invalid, RunArchived, RunReplaced
from app.store import RunRow, Transaction
from schemas.runs import WindowRequest


def admit(tx: Transaction, run: RunRow, request: WindowRequest) -> HistoryBehind | None:
    """Raises what refuses this worker; a database that is behind is remembered, so that refusal is returned instead."""
    if run.status == "archived":
        raise RunArchived(
            f"run {run.name!r} is archived; its name stays taken, start a run with another one", uid=run.uid
        )
    if request.uid is None:
        refuse_stranger(run, request)
    elif request.uid != run.uid:
        raise RunReplaced(
            f"this worker belongs to run {request.uid}, but {run.name!r} is now run {run.uid}: the database was "
            "replaced. Stop the job; started again it joins the new run",
            uid=run.uid,
        )
    if request.attempt is not None and request.attempt < run.attempt:
        to_step = tx.attempts(run.id)[request.attempt].from_step
        raise AttemptSuperseded(
            f"attempt {request.attempt} ended when a controller rewound the run to step {to_step}; load a checkpoint "
            f"of step {to_step} or earlier and rejoin (attempt {run.attempt} is the current one)",
            attempt=run.attempt,
            to_step=to_step,
            uid=run.uid,
        )
    behind = _behind(run, request)
    if behind is None:
        return None
    if not run.behind:
        tx.update_run(run.id, behind=True)
        tx.add_event(run, "history-behind", f"{request.worker}: {behind}", alarm=True, worker=request.worker)
    return HistoryBehind(
        f"{behind}: the database was restored from an older copy. Nothing more is committed in attempt "
        f"{run.attempt} until a controller rewinds the run to a checkpoint",
        horizon=run.horizon,
        revision=run.revision,
        attempt=run.attempt,
    )


def refuse_stranger(run: RunRow, request: WindowRequest) -> None:
    """Who brings no uid has seen nothing of this run: he may join, and claims nothing. Raises `Invalid`."""
    claims = {
        "attempt": request.attempt not in (None, run.attempt),
        "seen": request.seen is not None,
        "fallback": request.fallback is not None,
        "applied": request.applied is not None,
        "group": bool(request.group),
        "leaving": request.leaving,
        "moved_from": request.moved_from is not None,
    }
    claimed = [name for name, claim in claims.items() if claim]
    if claimed:
        errors = [(f"/{name}", "only with the run's `uid`, which every answer has") for name in claimed]
        raise Invalid(f"without `uid` a worker joins, and cannot send {', '.join(claimed)}", errors=errors)


def _behind(run: RunRow, request: WindowRequest) -> str | None:
    """What this worker has seen and the database has not, if anything."""
    if request.uid is None:
        return None
    if request.attempt is not None and request.attempt > run.attempt:
        return f"it runs attempt {request.attempt}, the database knows {run.attempt}"
    if request.seen is not None:
        if request.seen.revision > run.revision:
            return f"it has seen revision {request.seen.revision}, the database knows {run.revision}"
        if request.attempt == run.attempt and request.seen.horizon > run.horizon:
            return f"it has seen the horizon {request.seen.horizon}, the database knows {run.horizon}"
    if request.fallback is not None and request.attempt == run.attempt and request.fallback.start > run.horizon:
        return f"it held values up to step {request.fallback.start}, the database knows {run.horizon}"
    return None
