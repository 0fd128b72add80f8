"""Plans are what histories fold to, kept by the history's key; why steps are unverified; what a worker was given.

What 0.1.0 stored keeps its meaning. Its revisions were posted for the step that they have. The plan that it kept beside
a revision becomes the plan of the committed values that bear its number, and of the run's history up to a revision that
is in force, right or wrong: values were committed under it, and a job goes on from there. Pending revisions are folded
anew.
"""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("history", sa.String(length=40), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "history"),
    )
    for table, column in (
        ("runs", sa.Column("moves", sa.Integer(), nullable=False, server_default="0")),
        ("revisions", sa.Column("posted_step", sa.BigInteger(), nullable=False, server_default="0")),
        ("revisions", sa.Column("dropped_reason", sa.Text(), nullable=True)),
        ("segments", sa.Column("history", sa.String(length=40), nullable=False, server_default="")),
        ("workers", sa.Column("given", sa.BigInteger(), nullable=False, server_default="0")),
        ("unverified", sa.Column("reason", sa.String(length=32), nullable=False, server_default="unreported")),
    ):
        op.add_column(table, column)
    connection = op.get_bind()
    held = sa.MetaData()
    held.reflect(connection, only=["runs", "revisions", "plans", "segments", "workers", "unverified", "events"])
    _fill(connection, held.tables)


def _fill(connection: sa.Connection, tables: Any) -> None:
    runs, revisions, segments, workers = (tables[name] for name in ("runs", "revisions", "segments", "workers"))
    connection.execute(sa.update(revisions).values(posted_step=revisions.c.from_step))
    connection.execute(sa.update(workers).values(given=workers.c.step))
    number = sa.cast(segments.c.revision, sa.String(10))
    connection.execute(sa.update(segments).values(history=sa.literal("0.1.0:") + number))
    for run in connection.execute(sa.select(runs.c.id, runs.c.attempt, runs.c.horizon)).all():
        of_run = sa.select(revisions).where(revisions.c.run_id == run.id)
        rows = connection.execute(of_run.order_by(revisions.c.from_step, revisions.c.number)).all()
        in_force = {row.number for row in rows if row.cancelled_by is None and row.dropped_in is None}
        plans = [{"run_id": run.id, "history": f"0.1.0:{row.number}", "plan": row.plan} for row in rows]
        key = ""
        for row in rows:
            if row.number in in_force:
                key = hashlib.sha256(f"{key} {row.number}@{row.from_step}".encode()).hexdigest()[:32]
                if row.number > 1 and row.from_step < run.horizon:
                    plans.append({"run_id": run.id, "history": key, "plan": row.plan})
            action = (row.action.get("action") or {}) if row.action["kind"] == "rewind" else row.action
            elsewhere = action.get("kind") == "rollback" and action["revision"] not in in_force
            if row.number > 1 and not elsewhere:
                where = sa.and_(revisions.c.run_id == run.id, revisions.c.number == row.number)
                connection.execute(sa.update(revisions).where(where).values(plan=None))
        if plans:
            connection.execute(sa.insert(tables["plans"]), plans)
    _reasons(connection, tables["unverified"], tables["events"])


def _reasons(connection: sa.Connection, unverified: Any, events: Any) -> None:
    alarms = sa.select(events.c.run_id, events.c.attempt, events.c.data).where(events.c.type == "applied-mismatch")
    for run_id, attempt, data in connection.execute(alarms).all():
        same = {"run_id": run_id, "attempt": attempt, "worker": data["worker"]}
        same |= {"start": data["start"], "stop": data["stop"]}
        where = sa.and_(*(unverified.c[name] == value for name, value in same.items()))
        connection.execute(sa.update(unverified).where(where).values(reason="mismatch"))
