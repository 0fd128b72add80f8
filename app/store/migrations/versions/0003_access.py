"""Tokens, of which only hashes are stored; whether one vouches for a revision's author, and what was forced; locks.

Of all this there is nothing so far.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("runs", sa.String(length=201), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.add_column("revisions", sa.Column("proven", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("revisions", sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("runs", sa.Column("lock", sa.JSON(none_as_null=True), nullable=True))
