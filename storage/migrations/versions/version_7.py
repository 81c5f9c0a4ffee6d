"""A lease counts the writes about its trial, so that a process that follows the study rereads only what has changed."""

from __future__ import annotations

from alembic.operations import Operations

revision = "7"
down_revision = "6"

TABLES = """
ALTER TABLE depthsearch.leases ADD COLUMN writes INTEGER DEFAULT 0 NOT NULL;
"""


def upgrade(op: Operations) -> None:
    """Add the column; counting begins with the next write."""
    op.execute(TABLES)
