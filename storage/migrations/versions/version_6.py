"""A study may have a budget of epochs, beside its number of trials or in its place."""

from __future__ import annotations

from alembic.operations import Operations

revision = "6"
down_revision = "5"

TABLES = """
ALTER TABLE depthsearch.studies ADD COLUMN epoch_budget INTEGER;
ALTER TABLE depthsearch.studies ALTER COLUMN trials DROP NOT NULL;
"""


def upgrade(op: Operations) -> None:
    """Change the table; the studies that are stored keep their number of trials."""
    op.execute(TABLES)
