"""Where runs are kept: one SQL implementation for SQLite and PostgreSQL.

The contract, for every database:

- **Durable.** When a `with store.change()` block has ended, what it did survives a `kill -9` of the service and of
  the database. Until then nothing of it is visible to anybody, and an exception inside the block takes it all back.
- **One writer a run.** The block locks the run's row (`lock`) before it reads anything else, so that everything read
  inside it is the newest there is. Blocks on different runs may or may not run side by side.
- **Ordered.** Revision numbers and event ids count 1, 2, 3, … per run and are given under that lock.
- **Append-only.** Segments and plans are never updated or deleted. Of a revision only the marks `cancelled_by`,
  `dropped_in` and `dropped_reason`, and while it is pending `from_step`, can change.
- **One clock.** Times are the database's, in seconds since 1970.

Not promised: the order in which waiting writers get the lock, and what a read outside `change` sees of a change that
is under way (it sees the state before or after it, never a part).
"""

from app.store.records import AttemptRow, EventRow, RevisionRow, RunRow, Segment, TokenRow, UnverifiedRow, WorkerRow
from app.store.sql import Reader, Store, Transaction, open_beside, open_store, upgrade

__all__ = [
    "AttemptRow",
    "EventRow",
    "Reader",
    "RevisionRow",
    "RunRow",
    "Segment",
    "Store",
    "TokenRow",
    "Transaction",
    "UnverifiedRow",
    "WorkerRow",
    "open_beside",
    "open_store",
    "upgrade",
]
