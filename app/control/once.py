"""Idempotency keys: a change that is sent again answers again what it answered (PROTOCOL §2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.errors import IdempotencyMismatch
from app.store import Transaction

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with a hash of the body that came with it."""

    key: str
    body_hash: str


def once(tx: Transaction, run: str, call: str, key: Key | None, change: Callable[[], Answer]) -> Answer:
    """Make the change and remember its answer in the same transaction, or give the answer that is remembered.

    The caller holds the run's lock, so that two equal requests cannot both find nothing. Raises `IdempotencyMismatch`
    where the key came with another body.
    """
    if key is None:
        return change()
    known = tx.answer(run, call, key.key)
    if known is not None:
        if known.body_hash != key.body_hash:
            raise IdempotencyMismatch(f"the idempotency key {key.key!r} was used with another body; use a new key")
        return known.status, known.answer
    status, answer = change()
    tx.add_answer(run, call, key.key, key.body_hash, status, answer)
    return status, answer
