"""Where a process begins for which no scheduler's state was loaded."""

import logging

from lockstep.errors import Misused

logger = logging.getLogger("lockstep")

NO_STATE = (
    "Run %s begins at step %d again, without a scheduler's state: %s. Was it left out of the checkpoint? Load it with "
    "load_state_dict, or construct the scheduler with resume='auto'."
)


def begin_at(run: str, step: int, stood: int | None, made: int | None, *, auto: bool) -> int:
    """The step to join a run at: `step`, the run's first, unless something says that the training is further.

    `stood` is where the run knows the worker, `made` what the optimizer counts itself. Without `auto` the log says what
    they are; with it the optimizer's count holds, as a checkpoint may be older than the last report, or the report
    where there is no count.

    Raises `Misused` where the optimizer is further than the run knows.
    """
    if max(stood or 0, made or 0) <= step:
        return step
    own = "keeps no count of its updates" if made is None else f"has made {made} updates"
    known = f"the run knows this worker at step {stood}, and the optimizer {own}"
    if not auto:
        logger.warning(NO_STATE, run, step, known)
        return step
    if made is None and stood is not None:
        return stood
    if made is not None and made >= step and (stood is None or made <= stood):
        return made
    raise Misused(f"Run {run}: {known}, which do not agree. Load the scheduler's state, or call rejoin(step).")
