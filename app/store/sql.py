"""The store: every SQL statement of Lockstep. The contract stands in `app.store`."""

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout

from app.errors import RunExists, StoreError, Unavailable, UnknownRun
from app.store.engines import database_of
from app.store.opening import in_words, reason_of
from app.store.records import (
    AnswerRow,
    AttemptRow,
    EventRow,
    JsonObject,
    RevisionRow,
    RunRow,
    Segment,
    TokenRow,
    UnverifiedRow,
    WorkerRow,
)
from app.store.tables import answers, attempts, events, plans, revisions, runs, segments, tokens, unverified, workers
from schemas.actions import StoredAction
from schemas.plans import Plan

ACTION: TypeAdapter[StoredAction] = TypeAdapter(StoredAction)
MIGRATIONS = Path(__file__).parent / "migrations"


def _columns(table: Table, record: type[Any]) -> list[Any]:
    return [table.c[field.name] for field in fields(record)]


RUN, ATTEMPT, REVISION = _columns(runs, RunRow), _columns(attempts, AttemptRow), _columns(revisions, RevisionRow)
SEGMENT, WORKER, EVENT = _columns(segments, Segment), _columns(workers, WorkerRow), _columns(events, EventRow)
UNVERIFIED, ANSWER = _columns(unverified, UnverifiedRow), _columns(answers, AnswerRow)
TOKEN = _columns(tokens, TokenRow)


REVISION_FIELDS = [column.key for column in REVISION]
MOST_NAMES = 10_000  # in one question
FEW = 8  # rows that are fetched at once, of those that may be large
OURS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)  # what a database has against a statement
RECENT_SECONDS = 30.0  # a database that failed is in doubt so long, unless a change comes through

Record = TypeVar("Record")


class Reader:
    """Reads within one snapshot. A name that no run has raises `UnknownRun`; nothing else of ours is raised."""

    def __init__(self, connection: Connection, clock: ColumnElement[float]) -> None:
        self._connection = connection
        self._clock = clock

    def now(self) -> float:
        """The database's clock, in seconds since 1970."""
        return float(self._connection.execute(select(self._clock)).scalar_one())

    def run(self, name: str) -> RunRow:
        """The run of this name."""
        row = self._connection.execute(select(*RUN).where(runs.c.name == name)).one_or_none()
        return _run(row, name)

    def find_runs(
        self, *, names: str = "*", status: str | None, labels: Mapping[str, str], after: int | None, limit: int
    ) -> Generator[RunRow, None, None]:
        """Runs, newest first, below the id `after`; only those that have the status and all the labels.

        `names` is a name, or the beginning of names followed by `*`. They are read as they are taken, because plans may
        be large.
        """
        query = select(*RUN).order_by(runs.c.id.desc()).limit(limit)
        if names.endswith("*"):
            query = query.where(func.substr(runs.c.name, 1, len(names) - 1) == names[:-1])
        else:
            query = query.where(runs.c.name == names)
        if status is not None:
            query = query.where(runs.c.status == status)
        if after is not None:
            query = query.where(runs.c.id < after)
        each = func.json_each_text if self._connection.dialect.name == "postgresql" else func.json_each
        for key, value in labels.items():
            label = each(runs.c.labels).table_valued("key", "value")  # a path to the key has no way to quote a quote
            query = query.where(exists().where(label.c.key == key, label.c.value == value))
        with self._connection.execute(query, execution_options={"yield_per": FEW}) as result:
            for row in result:
                yield RunRow(*row)

    def attempts(self, run_id: int) -> list[AttemptRow]:
        """All attempts of a run, the first one first."""
        return self.attempts_of([run_id])[run_id]

    def attempts_of(self, run_ids: Sequence[int]) -> dict[int, list[AttemptRow]]:
        """All attempts of runs, the first one first."""
        query = select(attempts.c.run_id, *ATTEMPT).where(attempts.c.run_id.in_(run_ids)).order_by(attempts.c.attempt)
        return self._by_run(query, run_ids, lambda row: AttemptRow(*row))

    def revision(self, run_id: int, number: int) -> RevisionRow | None:
        """One revision by its number."""
        query = select(*REVISION).where(revisions.c.run_id == run_id, revisions.c.number == number)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _revision(row)

    def revisions(self, run_id: int, *, after: int = 0, limit: int | None = None) -> list[RevisionRow]:
        """All revisions, dropped and cancelled ones too, by number, from the one after `after` on."""
        query = select(*REVISION).where(revisions.c.run_id == run_id, revisions.c.number > after)
        query = query.order_by(revisions.c.number).limit(limit)
        return [_revision(row) for row in self._connection.execute(query)]

    def in_force(self, run_id: int, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The number of the revision in force at each (attempt, step), as `app.control.history` has it; 1 below all."""
        columns = column("attempt", Integer), column("step", BigInteger)
        wanted = sorted(set(places))
        found: dict[tuple[int, int], int] = {}
        for first in range(0, len(wanted), MOST_NAMES):
            place = values(*columns, name="place").data(wanted[first : first + MOST_NAMES]).cte()
            cancel = revisions.alias()
            row, other = (
                and_(
                    table.c.run_id == run_id,
                    table.c.attempt <= place.c.attempt,
                    or_(table.c.dropped_in.is_(None), table.c.dropped_in > place.c.attempt),
                )
                for table in (revisions, cancel)
            )
            cancelled = exists().where(other, cancel.c.number == revisions.c.cancelled_by).correlate(revisions, place)
            number = select(revisions.c.number).where(row, revisions.c.from_step <= place.c.step, ~cancelled)
            order = (revisions.c[name].desc() for name in ("from_step", "posted_step", "number"))
            number = number.order_by(*order).limit(1).correlate(place)
            query = select(place.c.attempt, place.c.step, func.coalesce(number.scalar_subquery(), 1))
            found |= {(attempt, step): number for attempt, step, number in self._connection.execute(query)}
        return found

    def revisions_of(self, run_ids: Sequence[int]) -> dict[int, list[RevisionRow]]:
        """All revisions of runs, by number."""
        query = select(revisions.c.run_id, *REVISION).where(revisions.c.run_id.in_(run_ids))
        return self._by_run(query.order_by(revisions.c.number), run_ids, _revision)

    def plans(self, run_id: int, histories: Sequence[str]) -> dict[str, Plan]:
        """The plans that are kept of these histories, by their keys."""
        query = select(plans.c.history, plans.c.plan).where(plans.c.run_id == run_id, plans.c.history.in_(histories))
        return {history: Plan.model_validate(plan) for history, plan in self._connection.execute(query)}

    def plans_of(self, histories: Mapping[int, Sequence[str]]) -> dict[int, dict[str, Plan]]:
        """The plans that are kept of these histories, for each run's id."""
        keys = [key for wanted in histories.values() for key in wanted]
        query = select(plans.c.run_id, plans.c.history, plans.c.plan).where(plans.c.run_id.in_(histories))
        found = self._by_run(query.where(plans.c.history.in_(keys)), list(histories), tuple)
        return {
            run_id: {key: Plan.model_validate(plan) for key, plan in rows if key in histories[run_id]}
            for run_id, rows in found.items()
        }

    def segments(self, run_id: int, attempt: int, start: int, stop: int) -> list[Segment]:
        """The committed segments of [start, stop) as an attempt sees them, in order: its own, and below its first step
        those that it inherited. The first and the last may reach beyond the range."""
        found: list[Segment] = []
        for own, upper in self._parts(run_id, attempt, start, stop):
            query = select(*SEGMENT).where(own).order_by(segments.c.start.desc())
            found += [_cut(segment, upper) for segment in map(_segment, self._connection.execute(query))]
        return found[::-1]

    def tracks(self, run_id: int, attempt: int, start: int, stop: int) -> set[str]:
        """The base tracks of what is committed in [start, stop), as an attempt sees it."""
        names = cast(segments.c.tracks, Text)
        parts = [
            self._connection.execute(select(names).where(own).distinct())
            for own, _ in self._parts(run_id, attempt, start, stop)
        ]
        return {track for rows in parts for (text,) in rows for track in json.loads(text)}

    def _parts(self, run_id: int, attempt: int, start: int, stop: int) -> Iterator[tuple[ColumnElement[bool], int]]:
        """Which segments hold [start, stop), as an attempt sees it, the last ones first, and where they are cut: its
        own, and below its first step those that it inherited."""
        upper, earlier = stop, segments.alias()
        for row in reversed([row for row in self.attempts(run_id) if row.attempt <= attempt]):
            lower = max(start, row.from_step)
            if lower < upper:
                own, before = (
                    and_(table.c.run_id == run_id, table.c.attempt == row.attempt) for table in (segments, earlier)
                )
                first = select(func.max(earlier.c.start)).where(before, earlier.c.start <= lower).scalar_subquery()
                since = segments.c.start >= func.coalesce(first, lower)  # found in the index, as `stop` would not be
                yield and_(own, since, segments.c.start < upper, segments.c.stop > lower), upper
            upper = min(upper, row.from_step)

    def workers(self, run_id: int, names: Sequence[str] | None = None) -> list[WorkerRow]:
        """The workers of a run, by name; all of them, or those that are named."""
        query = select(*WORKER).where(workers.c.run_id == run_id).order_by(workers.c.worker)
        if names is None:
            return [WorkerRow(*row) for row in self._connection.execute(query)]
        parts = [names[first : first + MOST_NAMES] for first in range(0, len(names), MOST_NAMES)]
        found = (self._connection.execute(query.where(workers.c.worker.in_(part))) for part in parts)
        return [WorkerRow(*row) for rows in found for row in rows]

    def workers_of(self, run_ids: Sequence[int]) -> dict[int, list[WorkerRow]]:
        """The workers of runs, by name."""
        query = select(workers.c.run_id, *WORKER).where(workers.c.run_id.in_(run_ids)).order_by(workers.c.worker)
        return self._by_run(query, run_ids, lambda row: WorkerRow(*row))

    def event_counts(self, run_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """How many events of each type runs have."""
        query = select(events.c.run_id, events.c.type, func.count()).where(events.c.run_id.in_(run_ids))
        return {
            run_id: dict(counted)
            for run_id, counted in self._by_run(query.group_by(events.c.run_id, events.c.type), run_ids, tuple).items()
        }

    def silent(self, run_ids: Sequence[int], since: float) -> dict[int, list[WorkerRow]]:
        """The workers of runs that left, or were not heard of since then."""
        query = select(workers.c.run_id, *WORKER).where(workers.c.run_id.in_(run_ids))
        query = query.where(or_(workers.c.gone, workers.c.seen_at < since)).order_by(workers.c.worker)
        return self._by_run(query, run_ids, lambda row: WorkerRow(*row))

    def unverified(
        self, run_ids: Sequence[int], *, worker: str | None = None, reason: str | None = None
    ) -> dict[int, list[UnverifiedRow]]:
        """The marked ranges of runs; of one worker, or for one reason."""
        query = select(unverified.c.run_id, *UNVERIFIED).where(unverified.c.run_id.in_(run_ids))
        for field, wanted in ((unverified.c.worker, worker), (unverified.c.reason, reason)):
            if wanted is not None:
                query = query.where(field == wanted)
        return self._by_run(query.order_by(unverified.c.start), run_ids, lambda row: UnverifiedRow(*row))

    def events(self, run_id: int, *, after: int = 0, limit: int = 1000) -> list[EventRow]:
        """Events by id, from the one after `after` on."""
        query = select(*EVENT).where(events.c.run_id == run_id, events.c.id > after).order_by(events.c.id).limit(limit)
        return [EventRow(*row) for row in self._connection.execute(query)]

    def alarms(self, rows: Sequence[RunRow], limit: int = 20) -> dict[int, list[EventRow]]:
        """The newest alarms of the present attempt of runs, newest first."""
        rank = func.row_number().over(partition_by=events.c.run_id, order_by=events.c.id.desc()).label("rank")
        present = and_(events.c.run_id == runs.c.id, events.c.attempt == runs.c.attempt, events.c.alarm)
        ids = [row.id for row in rows]
        ranked = select(events.c.run_id, *EVENT, rank).join(runs, present).where(runs.c.id.in_(ids)).subquery()
        query = select(ranked.c.run_id, *(ranked.c[column.key] for column in EVENT)).where(ranked.c.rank <= limit)
        return self._by_run(query.order_by(ranked.c.id.desc()), ids, lambda row: EventRow(*row))

    def answer(self, run: str, call: str, key: str) -> AnswerRow | None:
        """What this idempotency key was answered, if it was used."""
        query = select(*ANSWER).where(answers.c.run == run, answers.c.call == call, answers.c.key == key)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else AnswerRow(*row)

    def token(self, hash_: str) -> TokenRow | None:
        """The token that has this hash, revoked or not."""
        row = self._connection.execute(select(*TOKEN).where(tokens.c.hash == hash_)).one_or_none()
        return None if row is None else TokenRow(*row)

    def tokens(self) -> list[TokenRow]:
        """All tokens that were ever created, the first one first."""
        return [TokenRow(*row) for row in self._connection.execute(select(*TOKEN).order_by(tokens.c.id))]

    def any_token(self) -> bool:
        """Whether a token was ever created."""
        return self._connection.execute(select(tokens.c.id).limit(1)).one_or_none() is not None

    def _by_run(
        self, query: Select[Any], run_ids: Sequence[int], make: Callable[[Any], Record]
    ) -> dict[int, list[Record]]:
        """What a query finds, whose first column is the run's id, by run."""
        found: dict[int, list[Record]] = {run_id: [] for run_id in run_ids}
        for run_id, *row in self._connection.execute(query):
            found[run_id].append(make(row))
        return found


class Transaction(Reader):
    """Reads and changes that become true together when the block ends."""

    def lock(self, name: str) -> RunRow:
        """The run of this name, its row locked until the block ends."""
        row = self._connection.execute(select(*RUN).where(runs.c.name == name).with_for_update()).one_or_none()
        return _run(row, name)

    def add_run(self, **values: Any) -> RunRow:
        """A new run with its first attempt. Raises `RunExists` where the name is taken, by a racing request too."""
        try:
            with self._connection.begin_nested():
                run_id = self._connection.execute(
                    insert(runs).values(created_at=self._clock, **values)
                ).inserted_primary_key
        except IntegrityError:
            raise RunExists(f"a run named {values['name']!r} exists") from None
        assert run_id is not None
        self.add_attempt(run_id[0], values["attempt"], values["start_step"])
        return self.run(values["name"])

    def update_run(self, run_id: int, **values: Any) -> None:
        """Set columns of a run's row."""
        self._connection.execute(update(runs).where(runs.c.id == run_id).values(**values))

    def add_attempt(self, run_id: int, attempt: int, from_step: int) -> None:
        """A further attempt, whose own values start at `from_step`."""
        self._connection.execute(
            insert(attempts).values(run_id=run_id, attempt=attempt, from_step=from_step, created_at=self._clock)
        )

    def end_attempt(self, run_id: int, attempt: int, horizon: int) -> None:
        """Remember where an attempt stood when a rewind ended it."""
        where = and_(attempts.c.run_id == run_id, attempts.c.attempt == attempt)
        self._connection.execute(update(attempts).where(where).values(horizon=horizon))

    def add_revision(self, run_id: int, row: RevisionRow) -> RevisionRow:
        """Append a revision, and give it back as it stands. The number is the caller's, given under the run's lock."""
        values = {column.key: getattr(row, column.key) for column in REVISION}
        values |= {"action": row.action.to_json(), "plan": row.plan and row.plan.to_json(), "created_at": self._clock}
        created = insert(revisions).values(run_id=run_id, **values).returning(revisions.c.created_at)
        return replace(row, created_at=self._connection.execute(created).scalar_one())

    def update_revision(self, run_id: int, number: int, **values: Any) -> None:
        """Mark a revision (`cancelled_by`, `dropped_in`, `dropped_reason`) or, while it is pending, move it."""
        where = and_(revisions.c.run_id == run_id, revisions.c.number == number)
        self._connection.execute(update(revisions).where(where).values(**values))

    def add_plan(self, run_id: int, history: str, plan: Plan) -> None:
        """Keep the plan that a history folds to. Keeping it again changes nothing."""
        statement = self._insert(plans).values(run_id=run_id, history=history, plan=plan.to_json())
        self._connection.execute(statement.on_conflict_do_nothing())

    def add_segments(self, run_id: int, rows: Iterable[Segment]) -> None:
        """Commit values. A step of an attempt that has a value already is refused by the primary key."""
        for row in rows:
            self._connection.execute(insert(segments).values(run_id=run_id, **asdict(row)))

    def put_workers(self, run_id: int, rows: Sequence[WorkerRow]) -> None:
        """Remember workers as they are now; `seen_at` is set to the database's clock."""
        statement = self._insert(workers).values(seen_at=self._clock)
        changed = {column.name: statement.excluded[column.name] for column in workers.c if not column.primary_key}
        statement = statement.on_conflict_do_update(index_elements=["run_id", "worker"], set_=changed)
        values = [{"run_id": run_id, **asdict(row)} for row in rows]
        for one in values:
            del one["seen_at"]
        self._connection.execute(statement, values)

    def touch_worker(self, run_id: int, row: WorkerRow) -> bool:
        """Move a known worker forward without the run's lock; whether it is there.

        Another instance or attempt stands, and so does a good-bye.
        """
        same = (
            workers.c.run_id == run_id,
            workers.c.worker == row.worker,
            workers.c.attempt == row.attempt,
            workers.c.instance.is_not_distinct_from(row.instance),
            workers.c.gone.is_(False),
        )
        forward = {
            name: case((workers.c[name] > getattr(row, name), workers.c[name]), else_=getattr(row, name))
            for name in ("verified_until", "given")
        }
        values = {"step": row.step, "step_seconds": row.step_seconds, "seen_at": self._clock, **forward}
        return self._connection.execute(update(workers).where(*same).values(values)).rowcount == 1

    def clamp_seen(self) -> None:
        """No worker was seen later than now, whatever the clock said then."""
        self._connection.execute(update(workers).where(workers.c.seen_at > self._clock).values(seen_at=self._clock))

    def add_unverified(self, run_id: int, row: UnverifiedRow) -> None:
        """Mark steps of a worker as unverified; the same range again changes nothing, or makes it a mismatch."""
        statement = self._insert(unverified).values(run_id=run_id, **asdict(row))
        if row.reason == "unreported":
            self._connection.execute(statement.on_conflict_do_nothing())
        else:
            keys = list(unverified.primary_key)
            mended = statement.on_conflict_do_update(index_elements=keys, set_={"reason": row.reason})
            self._connection.execute(mended)

    def remove_unverified(self, run_id: int, row: UnverifiedRow) -> None:
        """Take a mark back."""
        where = (unverified.c[key] == value for key, value in asdict(row).items())
        self._connection.execute(delete(unverified).where(unverified.c.run_id == run_id, *where))

    def add_event(self, run: RunRow, type_: str, detail: str, *, alarm: bool = False, **data: Any) -> None:
        """Append an event under the run's lock, in the run's present attempt."""
        number = self._connection.execute(
            update(runs)
            .where(runs.c.id == run.id)
            .values(last_event=runs.c.last_event + 1)
            .returning(runs.c.last_event)
        ).scalar_one()
        attempt = select(runs.c.attempt).where(runs.c.id == run.id).scalar_subquery()
        values = {"type": type_, "alarm": alarm, "attempt": attempt, "detail": detail, "data": data}
        self._connection.execute(insert(events).values(run_id=run.id, id=number, at=self._clock, **values))

    def add_answer(self, run: str, call: str, key: str, body_hash: str, status: int, answer: JsonObject) -> None:
        """Remember what an idempotency key was answered, together with the change itself."""
        values = {"run": run, "call": call, "key": key, "body_hash": body_hash, "status": status, "answer": answer}
        self._connection.execute(insert(answers).values(at=self._clock, **values))

    def add_token(self, **values: Any) -> None:
        """Remember a token by its hash."""
        self._connection.execute(insert(tokens).values(created_at=self._clock, **values))

    def revoke_token(self, number: int) -> TokenRow | None:
        """End a token for good, if there is one of this number; the time of the first revocation stands."""
        ended = func.coalesce(tokens.c.revoked_at, self._clock)
        statement = update(tokens).where(tokens.c.id == number).values(revoked_at=ended).returning(*TOKEN)
        row = self._connection.execute(statement).one_or_none()
        return None if row is None else TokenRow(*row)

    def _insert(self, table: Table) -> Any:
        """An insert that may say what to do on a conflict, which SQL leaves to each database."""
        make = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        return make(table)


class Store:
    """A database with the current schema. Thread-safe; see `app.store` for the contract."""

    def __init__(self, url: str, *, beside: bool = False) -> None:
        """Raises `StoreError` where the database cannot be used, or has another schema than this release."""
        self._failed: tuple[float, str] | None = None
        self._database = database_of(make_url(url), beside=beside)
        self._engine = self._database.engine()
        try:
            self._check_schema(url)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A snapshot to read from. Raises `Unavailable` where the database does not answer."""
        with self._answering(), self._engine.connect() as connection, self._database.reading(connection):
            yield Reader(connection, self._database.clock())

    @contextmanager
    def change(self) -> Iterator[Transaction]:
        """One transaction, committed when the block ends and taken back when it raises. `lock` the run first.

        Raises `Unavailable` where the database does not answer; whether a commit came through is not known then.
        """
        with self._answering(), self._engine.connect() as connection, self._database.changing(connection):
            yield Transaction(connection, self._database.clock())
        self._failed = None

    def ping(self) -> None:
        """Raises `Unavailable` where nothing can be committed, or could not a moment ago: a disk that is full for most
        has room for a small write now and then."""
        with self._answering(), self._engine.connect() as connection, self._database.changing(connection):
            connection.exec_driver_sql(self._database.touch)
        failed = self._failed
        if failed is not None and time.monotonic() - failed[0] < RECENT_SECONDS:
            raise Unavailable(failed[1])

    def close(self) -> None:
        """Give everything back. The store cannot be used afterwards."""
        self._engine.dispose()
        self._database.close()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OURS:
            raise
        except (DatabaseError, SQLAlchemyTimeout) as error:
            self._database.failed(error)
            detail = f"the database failed: {reason_of(error)}; try again later"
            self._failed = time.monotonic(), detail
            raise Unavailable(detail) from error

    def _check_schema(self, url: str) -> None:
        with self._engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        known = ScriptDirectory(str(MIGRATIONS))
        wanted = known.get_current_head()
        if present == wanted:
            return
        if present is not None:
            known.get_revision(present)  # raises where it is none of ours
        if not self._database.upgrades_itself:
            shown = make_url(url).render_as_string(hide_password=True)
            raise StoreError(
                f"the database {shown} has schema {present or 'none'}, this release needs {wanted}; "
                f"run: lockstep-server db upgrade --database-url {shown}"
            )
        with self._engine.connect() as connection, self._database.changing(connection):
            _upgrade(connection)


@in_words
def open_store(url: str) -> Store:
    """The store behind a database URL: `sqlite:///FILE` or `postgresql://…`. Raises `StoreError`."""
    return Store(url)


@in_words
def open_beside(url: str) -> Store:
    """The same, also while a service has it: for what concerns no run, as its memory of runs would age."""
    return Store(url, beside=True)


@in_words
def upgrade(url: str) -> None:
    """Bring a database to the schema of this release. Keeps what is in it; does nothing where it is current."""
    database = database_of(make_url(url))
    engine = database.engine()
    try:
        with engine.connect() as connection, database.changing(connection):
            _upgrade(connection)
    finally:
        engine.dispose()
        database.close()


def _upgrade(connection: Connection) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _run(row: Row[*tuple[Any, ...]] | None, name: str) -> RunRow:
    if row is None:
        raise UnknownRun(f"there is no run named {name!r}; POST /v1/runs creates one", run=name)
    return RunRow(*row)


def _revision(row: Sequence[Any]) -> RevisionRow:
    values = dict(zip(REVISION_FIELDS, row, strict=True))
    action, plan = ACTION.validate_python(values.pop("action")), values.pop("plan")
    return RevisionRow(**values, action=action, plan=plan and Plan.model_validate(plan))


def _segment(row: Row[*tuple[Any, ...]]) -> Segment:
    attempt, start, stop, revision, history, tracks, data = row
    return Segment(attempt, start, stop, revision, history, tuple(tracks), bytes(data))


def _cut(segment: Segment, stop: int) -> Segment:
    """The part of a segment below `stop`: what a later attempt inherits of it."""
    if segment.stop <= stop:
        return segment
    length, kept = (segment.stop - segment.start) * 8, (stop - segment.start) * 8
    data = b"".join(segment.data[i * length : i * length + kept] for i in range(len(segment.tracks)))
    return replace(segment, stop=stop, data=data)


__all__: Sequence[str] = ("Reader", "Store", "Transaction", "open_beside", "open_store", "upgrade")
