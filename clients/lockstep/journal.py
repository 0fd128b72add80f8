"""The lines that a job's log gets about its run. What happens is noted where it happens, and written elsewhere.

A note costs the training an append, once a window or an outage. Whoever writes it asks the service who made a revision
and why, which is no matter for a training step. Knows no clock: times are those of whoever calls, in seconds.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from lockstep.window import COMMITTED, Window

logger = logging.getLogger("lockstep")

WAITING_SECONDS = 5.0  # from one line about a wait to the next
MOST_CHANGES, MOST_TRACKS, LONGEST_REASON = 5, 4, 200  # in one line

Revisions = Sequence[Mapping[str, Any]]


class Note(NamedTuple):
    """A line to write: `text` makes it of the revisions from number `revision` on; 0 where it needs none."""

    level: int
    text: Callable[[Revisions], str]
    revision: int = 0


class Journal:
    """Notes of one worker, oldest first. `url` is the service's."""

    def __init__(self, run: str, url: str) -> None:
        self.notes: deque[Note] = deque()
        self._run, self._url = run, url
        self._used: Window | None = None
        self._begun, self._waited_at = 0, -math.inf

    def moved(self) -> None:
        """The training goes elsewhere: what it uses next is no switch."""
        self._used = None

    def used(self, window: Window, step: int) -> None:
        """The training begins to use a window, at its first step or, where it has just come, at a later one."""
        last, self._used = self._used, window
        if last is None:
            self._begun = step
            self._note(partial(joined, self._run, self._url, window, step), revision=1)
        elif window.revision != last.revision:
            committed = window.reason == COMMITTED
            self._note(partial(switched, last, window, step), revision=window.revision if committed else 0)

    def waits(self, step: int, now: float, seconds: float, most: float, error: object) -> None:
        """The training has waited so long for a value, of at most so long."""
        if now - self._waited_at >= WAITING_SECONDS:
            self._waited_at = now
            self._say(
                logging.WARNING,
                f"Waiting for the values of run {self._run} at step {step}, for {seconds:.0f} s of at most "
                f"{most:.0f} s: {error}",
            )

    def alone(self, step: int, policy: str, error: object) -> None:
        """The training goes on without committed values."""
        self._say(
            logging.WARNING,
            f"No committed value of run {self._run} from step {step} on ({error}); going on by policy {policy!r}.",
        )

    def back(self, start: int, stop: int, policy: str) -> None:
        """The service has heard how the training went through an outage."""
        self._say(
            logging.INFO,
            f"The service is back: steps {start} to {stop - 1} of run {self._run} are committed as policy {policy!r} "
            f"has them; from step {stop} on it is followed again.",
        )

    def left(self, step: int, reported: int, doubts: Mapping[str, int]) -> None:
        """The training is over, at a step; what it used is reported up to another. `doubts`: by reason, the first step

        that is not verified even so."""
        done = max(self._begun, min([reported, step, *doubts.values()]))
        shown = f"steps {self._begun} to {done - 1} are verified" if done > self._begun else "no step is verified"
        rest = f"not all are ({', '.join(sorted(doubts))})" if doubts else "they are not"
        rest = f"; from {done} to {step - 1} {rest}" if done < step else ""
        self._say(logging.INFO, f"Left run {self._run} at step {step}: {shown}{rest}.")

    def _say(self, level: int, line: str) -> None:
        self._note(lambda _: line, level)

    def _note(self, text: Callable[[Revisions], str], level: int = logging.INFO, revision: int = 0) -> None:
        self.notes.append(Note(level, text, revision))


def joined(run: str, url: str, window: Window, step: int, revisions: Revisions) -> str:
    """Where a worker has joined, and what was changed before: a job that is started again follows that as well."""
    found = {revision["number"]: revision for revision in revisions}
    line = (
        f"Joined run {run} at {url}: attempt {window.attempt}, step {step}, revision {window.revision}"
        f"{_author(found.get(window.revision))}."
    )
    changes = [r for r in revisions if r["number"] > 1 and not (r.get("cancelled_by") or r.get("dropped_in"))]
    if not changes:
        return line
    shown = "; ".join(f"step {r['from_step']}: {_action(r)}, {_revision(r)}" for r in changes[-MOST_CHANGES:])
    left = len(changes) - MOST_CHANGES
    return f"{line} It has a history, which it follows: {f'{left} changes; ' if left > 0 else ''}{shown}."


def switched(before: Window, after: Window, step: int, revisions: Revisions) -> str:
    """What changes at a step, and why."""
    tracks = [track for track in after.tracks if track in before.values]
    last = {track: before.values[track][-1] for track in tracks}
    first = {track: after.values[track][step - after.start] for track in tracks}
    changed = [track for track in tracks if first[track] != last[track]]
    values = [f"{track} {last[track]:.6g} -> {first[track]:.6g}" for track in changed[:MOST_TRACKS]]
    values += [f"and {len(changed) - MOST_TRACKS} more"] if len(changed) > MOST_TRACKS else []
    values = values or [f"{track} {first[track]:.6g}" for track in tracks[:1]]
    known = next((r for r in revisions if r["number"] == after.revision), {"number": after.revision})
    return f"step {step}: {', '.join([*values, _revision(known)])}"


def audible() -> None:
    """Show the log where nobody has set one up, which Python shows only warnings of."""
    if logger.level == logging.NOTSET and not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("Lockstep: %(message)s"))
        handler.addFilter(lambda _: not logging.getLogger().handlers)  # one that is set up later has them too
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def _revision(revision: Mapping[str, Any]) -> str:
    reason = " ".join(str(revision.get("reason") or "").split())
    short = reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 3]}..."
    return f"revision {revision['number']}{_author(revision)}{short and f', {short}'}"


def _author(revision: Mapping[str, Any] | None) -> str:
    author = (revision or {}).get("author")
    return f" by {author}" if author else ""


def _action(revision: Mapping[str, Any]) -> str:
    """`scale factor 0.5`: the kind and its numbers and words."""
    action = revision["action"]
    plain = {name: value for name, value in action.items() if name != "kind" and not isinstance(value, dict | list)}
    return " ".join([str(action["kind"]), *(f"{name} {value}" for name, value in plain.items())])
