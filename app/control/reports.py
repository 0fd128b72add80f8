"""Group commit of what workers say of themselves: many reports, one transaction.

A verified report is acknowledged only when it is stored, so its answer waits for the write; reports that arrive while
one write is under way share the next. Mere signs of life wait for nobody and are written once a second.
"""

import threading
from concurrent.futures import Future

from app.store import Store, WorkerRow

IDLE_SECONDS = 1.0


class Reports:
    """Writes worker rows in the background. `start` and `stop` belong to the application's lifespan."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wake = threading.Condition()
        self._rows: dict[tuple[int, str], WorkerRow] = {}
        self._waiting: list[Future[None]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def note(self, run_id: int, row: WorkerRow) -> None:
        """A sign of life, written within a second or so."""
        with self._wake:
            self._rows[run_id, row.worker] = row

    def submit(self, run_id: int, row: WorkerRow) -> Future[None]:
        """A verified report; the future is done when it is stored."""
        future: Future[None] = Future()
        with self._wake:
            self._rows[run_id, row.worker] = row
            self._waiting.append(future)
            self._wake.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._waiting and not self._stopping:
                    self._wake.wait(IDLE_SECONDS)
                rows, self._rows = self._rows, {}
                waiting, self._waiting = self._waiting, []
                stopping = self._stopping
            self._write(rows, waiting)
            if stopping:
                return

    def _write(self, rows: dict[tuple[int, str], WorkerRow], waiting: list[Future[None]]) -> None:
        try:
            if rows:
                with self._store.change() as tx:
                    for (run_id, _), row in rows.items():
                        tx.touch_worker(run_id, row)
        except Exception as error:  # whoever waits is told; a sign of life is sent again soon anyway
            for future in waiting:
                future.set_exception(error)
        else:
            for future in waiting:
                future.set_result(None)
