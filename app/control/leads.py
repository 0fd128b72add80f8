"""How far ahead values are committed (rule R5)."""

from collections.abc import Iterable, Sequence
from statistics import median

from app.store import RunRow, WorkerRow

FIRST_LEAD = 8
LEAST_LEAD = 2
GROWTH = 8  # times the lead before
ALIKE = 2  # paces within this factor of each other
RUNAWAY_LEADS = 10


def lead_steps(run: RunRow, paces: Sequence[float], last: float | None) -> int:
    """The lead in steps: `lead_seconds` over the median pace, between 2 and `max_window`; 8 until a pace is known.

    At most eight times the lead before, so that one hasty figure cannot commit a day ahead, unless the run's `last`
    pace is within a factor of two, as that of a job that is resumed.
    """
    if not paces:
        return min(FIRST_LEAD, run.max_window)
    pace, most = median(paces), run.max_window
    if last is None or not last / ALIKE <= pace <= last * ALIKE:
        most = min(most, GROWTH * (run.lead or FIRST_LEAD))
    return max(LEAST_LEAD, int(min(run.lead_seconds / pace, most)))


def last_pace(workers: Iterable[WorkerRow]) -> float | None:
    """The pace that a run had last: that of the worker heard of last, of those that said one."""
    paced = [worker for worker in workers if worker.step_seconds]
    return max(paced, key=lambda worker: worker.seen_at).step_seconds if paced else None


def is_short(horizon: int, at: int, lead: int) -> bool:
    """Whether fewer than 3/4 of the lead is left beyond the running step, so that a commit is due."""
    return 4 * (horizon - at) < 3 * lead


def ran_away(horizon: int, steps: Sequence[int], lead: int) -> bool:
    """Whether the horizon lies over ten leads ahead of the median worker."""
    return horizon - median(steps) > RUNAWAY_LEADS * lead
