"""How far ahead values are committed (rule R5), and when a worker counts as lagging or lost (rule R11)."""

from collections.abc import Iterable, Sequence
from statistics import median

from app.store import RunRow, WorkerRow

FIRST_LEAD = 8
LEAST_LEAD = 2
RUNAWAY_LEADS = 10
LOST_SECONDS = 60.0


def lead_steps(run: RunRow, paces: Sequence[float]) -> int:
    """The lead in steps: `lead_seconds` over the median pace, between 2 and `max_window`.

    8 until a pace is known; then at most twice the lead before, so that one hasty figure cannot commit a day ahead.
    """
    if not paces:
        return min(FIRST_LEAD, run.max_window)
    wanted = min(run.lead_seconds / median(paces), float(run.max_window))
    grown = 2 * max(run.lead, FIRST_LEAD // 2)
    return max(LEAST_LEAD, min(int(wanted), grown, run.max_window))


def is_short(run_horizon: int, at: int, lead: int) -> bool:
    """Whether fewer than 3/4 of the lead is left beyond the running step, so that a commit is due."""
    return 4 * (run_horizon - at) < 3 * lead


def own_lead_seconds(run: RunRow, worker: WorkerRow) -> float:
    """The lead of one worker in seconds: never less than the run's, more where two slow steps last longer."""
    return max(run.lead_seconds, run.lead * (worker.step_seconds or 0.0))


def state_of(run: RunRow, worker: WorkerRow, now: float) -> str:
    """`left` after a good-bye, `lost` after 6 leads (at least a minute) of silence, `lagging` after 2, or `active`."""
    if worker.gone:
        return "left"
    silence, lead = now - worker.seen_at, own_lead_seconds(run, worker)
    if silence > max(6 * lead, LOST_SECONDS):
        return "lost"
    return "lagging" if silence > 2 * lead else "active"


def live(run: RunRow, workers: Iterable[WorkerRow], now: float) -> list[WorkerRow]:
    """The workers of the current attempt that are active or lagging."""
    return [
        worker
        for worker in workers
        if worker.attempt == run.attempt and state_of(run, worker, now) in ("active", "lagging")
    ]
