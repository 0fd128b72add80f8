"""The tables. The migrations create them; a test compares the two."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("uid", String(40), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("start_step", BigInteger, nullable=False),
    Column("horizon", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("moves", Integer, nullable=False, server_default="0"),
    Column("last_event", Integer, nullable=False),
    Column("lead", Integer, nullable=False),
    Column("behind", Boolean, nullable=False),
    Column("created_plan", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("bounds", JSON, nullable=False),
    Column("lead_seconds", Float, nullable=False),
    Column("max_window", Integer, nullable=False),
    Column("lock", JSON(none_as_null=True)),
    Column("created_at", Float, nullable=False),
)


def _run_id() -> Column[int]:
    return Column("run_id", Integer, ForeignKey("runs.id"), primary_key=True)


attempts = Table(
    "attempts",
    metadata,
    _run_id(),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("from_step", BigInteger, nullable=False),
    Column("horizon", BigInteger),
    Column("created_at", Float, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    _run_id(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("from_step", BigInteger, nullable=False),
    Column("posted_step", BigInteger, nullable=False, server_default="0"),
    Column("action", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("proven", Boolean, nullable=False, server_default=false()),
    Column("forced", Boolean, nullable=False, server_default=false()),
    Column("created_at", Float, nullable=False),
    Column("cancelled_by", Integer),
    Column("dropped_in", Integer),
    Column("dropped_reason", Text),
    Index("revisions_by_step", "run_id", "from_step", "number"),
)

plans = Table(
    "plans",
    metadata,
    _run_id(),
    Column("history", String(40), primary_key=True),
    Column("plan", JSON, nullable=False),
)

segments = Table(
    "segments",
    metadata,
    _run_id(),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("stop", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("history", String(40), nullable=False, server_default=""),
    Column("tracks", JSON, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    _run_id(),
    Column("worker", String(200), primary_key=True),
    Column("instance", String(100)),
    Column("previous", String(100)),
    Column("attempt", Integer, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("step_seconds", Float),
    Column("seen_at", Float, nullable=False),
    Column("verified_until", BigInteger, nullable=False),
    Column("given", BigInteger, nullable=False, server_default="0"),
    Column("gone", Boolean, nullable=False),
)

unverified = Table(
    "unverified",
    metadata,
    _run_id(),
    Column("worker", String(200), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("stop", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String(32), nullable=False, server_default="unreported"),
)

events = Table(
    "events",
    metadata,
    _run_id(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("type", String(64), nullable=False),
    Column("alarm", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("at", Float, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("run", String(200), primary_key=True),
    Column("call", String(32), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("at", Float, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("runs", String(201), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)
