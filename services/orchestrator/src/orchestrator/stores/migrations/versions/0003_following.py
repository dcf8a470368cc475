"""The tables of followed calls: how far each partition is, which calls have a checkpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "follow_cursors",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_follow_cursors"),
    )
    op.create_table(
        "followed_threads",
        sa.Column("call_id", sa.String(256), nullable=False),
        sa.Column("forget_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_followed_threads"),
    )
    op.create_index("ix_followed_threads_forget_at", "followed_threads", ["forget_at"])


def downgrade() -> None:
    """Take them away; calls under way are followed from the beginning of the last hour."""
    op.drop_table("followed_threads")
    op.drop_table("follow_cursors")
