"""Who is there (rule R11): a worker is lagging or lost after so much silence, by the database's clock."""

from collections.abc import Iterable
from statistics import median
from typing import Literal

from app.store import RunRow, WorkerRow

LAGGING_LEADS, LOST_LEADS = 2, 6
LOST_SECONDS = 60.0

State = Literal["active", "lagging", "lost", "left"]


def state_of(run: RunRow, worker: WorkerRow, now: float) -> State:
    """`left` after a good-bye, `lost` after 6 leads (at least a minute) of silence, `lagging` after 2, or `active`."""
    if worker.gone:
        return "left"
    silence, lead = now - worker.seen_at, own_lead_seconds(run, worker)
    if silence > max(LOST_LEADS * lead, LOST_SECONDS):
        return "lost"
    return "lagging" if silence > LAGGING_LEADS * lead else "active"


def own_lead_seconds(run: RunRow, worker: WorkerRow) -> float:
    """The lead of one worker in seconds: never less than the run's, more where two slow steps last longer."""
    return max(run.lead_seconds, run.lead * (worker.step_seconds or 0.0))


def live(run: RunRow, workers: Iterable[WorkerRow], now: float) -> list[WorkerRow]:
    """The workers of the current attempt that are active or lagging."""
    return [
        worker
        for worker in workers
        if worker.attempt == run.attempt and state_of(run, worker, now) in ("active", "lagging")
    ]


def pace(workers: Iterable[WorkerRow]) -> float | None:
    """The median of what these workers say that a step takes, in seconds; None where none of them says it."""
    paces = [worker.step_seconds for worker in workers if worker.step_seconds is not None]
    return median(paces) if paces else None
