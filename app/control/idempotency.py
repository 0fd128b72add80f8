"""Idempotency keys: a change that is sent again answers again what it answered (PROTOCOL §2)."""

from dataclasses import dataclass
from typing import TypeVar

from app.errors import IdempotencyMismatch
from app.store import Reader, Transaction
from schemas.base import Model

Answered = TypeVar("Answered", bound=Model)
Answer = tuple[int, Answered]
"""The status of an answer, and its body."""


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with a hash of the body that came with it."""

    key: str
    body_hash: str


def answered(reader: Reader, run: str, call: str, key: Key | None, shape: type[Answered]) -> Answer[Answered] | None:
    """What the key was answered, if it was used. Raises `IdempotencyMismatch` where it came with another body."""
    known = None if key is None else reader.answer(run, call, key.key)
    if key is None or known is None:
        return None
    if known.body_hash != key.body_hash:
        raise IdempotencyMismatch(f"the idempotency key {key.key!r} was used with another body; use a new key")
    return known.status, shape.model_validate(known.answer)


def remember(tx: Transaction, run: str, call: str, key: Key | None, answer: Answer[Answered]) -> None:
    """Keep an answer, in the transaction of its change. The caller holds the run's lock."""
    if key is not None:
        status, body = answer
        tx.add_answer(run, call, key.key, key.body_hash, status, body.to_json())
