"""A study has a priority, and counts the trials that were voided; a worker can be told to leave."""

from __future__ import annotations

from alembic.operations import Operations

revision = "9"
down_revision = "8"

TABLES = """
ALTER TABLE depthsearch.studies ADD COLUMN priority INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE depthsearch.studies ADD COLUMN voids INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE depthsearch.workers ADD COLUMN leaves TEXT;
"""


def upgrade(op: Operations) -> None:
    """Add the columns: studies are equals, no trial was voided, and no worker leaves."""
    op.execute(TABLES)
