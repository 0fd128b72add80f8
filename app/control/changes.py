"""Changing a run: worked out before its lock is taken, and stored under it if the run still stands there (rule R2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from app.control.context import Control
from app.control.idempotency import Answer, Key, answered, remember
from app.errors import RunArchived, RunLocked
from app.store import Reader, RunRow, Transaction
from schemas.base import Model

TRIES = 3  # outside the lock; then under it

Worked = TypeVar("Worked")
Answered = TypeVar("Answered", bound=Model)


def change(
    control: Control,
    name: str,
    call: str,
    key: Key | None,
    shape: type[Answered],
    work_out: Callable[[Reader, RunRow], Worked],
    store: Callable[[Transaction, RunRow, Worked], Answer[Answered]],
    may_change: Callable[[RunRow], None] | None = None,
) -> Answer[Answered]:
    """Make a change of a run, or give the answer that its key was given before.

    `work_out` may take its time, for nobody waits for it: it sees a snapshot. `store` writes what it gave, under the
    lock, only where the run is as it was then; else everything begins anew. `may_change` raises what refuses it.

    Raises `RunArchived` and `RunLocked`, unless `may_change` is something else than `refuse_closed`.
    """

    def begun(reader: Reader, run: RunRow) -> Answer[Answered] | None:
        known = answered(reader, name, call, key, shape)
        if known is None:
            (may_change or refuse_closed)(run)
        return known

    for tries in range(TRIES + 1):
        if tries < TRIES:
            with control.store.read() as reader:
                before = reader.run(name)
                known = begun(reader, before)
                if known is not None:
                    return known
                worked = work_out(reader, before)
        with control.store.change() as tx:
            run = tx.lock(name)
            answer = begun(tx, run)
            if answer is None and tries == TRIES:
                before, worked = run, work_out(tx, run)
            if answer is None and same_state(before, run):
                answer = store(tx, run, worked)
                remember(tx, name, call, key, answer)
                run = tx.run(name)
        if answer is not None:
            control.cache.put(run)
            return answer
    raise AssertionError("the last try works it out under the lock")


def same_state(one: RunRow, two: RunRow) -> bool:
    """Whether a run stands where it stood, as far as a change of plan goes."""
    return replace(one, last_event=two.last_event, lead=two.lead) == two


def refuse_closed(run: RunRow, *, force: bool = False) -> None:
    """Raises `RunArchived` for a closed run, and `RunLocked` for a locked one, unless that is to be broken."""
    if run.status == "archived":
        raise archived(run)
    if run.lock is not None and not force:
        said = f": {run.lock['reason']}" if run.lock["reason"] else ""
        raise RunLocked(f"{run.lock['by']} has locked run {run.name!r}{said}; unlock it first", **run.lock)


def archived(run: RunRow) -> RunArchived:
    """The refusal of a closed run."""
    return RunArchived(f"run {run.name!r} is archived; its name stays taken, use another one", uid=run.uid)
