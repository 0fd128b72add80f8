"""How far ahead values are committed (rule R5)."""

from collections.abc import Sequence
from statistics import median

from app.store import RunRow

FIRST_LEAD = 8
LEAST_LEAD = 2
RUNAWAY_LEADS = 10


def lead_steps(run: RunRow, paces: Sequence[float]) -> int:
    """The lead in steps: `lead_seconds` over the median pace, between 2 and `max_window`.

    8 until a pace is known; then at most twice the lead before, so that one hasty figure cannot commit a day ahead.
    """
    if not paces:
        return min(FIRST_LEAD, run.max_window)
    wanted = min(run.lead_seconds / median(paces), float(run.max_window))
    grown = 2 * max(run.lead, FIRST_LEAD // 2)
    return max(LEAST_LEAD, min(int(wanted), grown, run.max_window))


def is_short(horizon: int, at: int, lead: int) -> bool:
    """Whether fewer than 3/4 of the lead is left beyond the running step, so that a commit is due."""
    return 4 * (horizon - at) < 3 * lead


def ran_away(horizon: int, steps: Sequence[int], lead: int) -> bool:
    """Whether the horizon lies over ten leads ahead of the median worker."""
    return horizon - median(steps) > RUNAWAY_LEADS * lead
