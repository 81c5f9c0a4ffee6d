"""Who may score a test set is a row that expires and not a lock; a score tells what its hash of test images covers."""

from __future__ import annotations

from alembic.operations import Operations

revision = "5"
down_revision = "4"

TABLES = """
CREATE TABLE depthsearch.turns (
    study_uuid UUID NOT NULL,
    dataset TEXT NOT NULL,
    token BIGINT NOT NULL,
    holder TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (study_uuid, dataset)
);
ALTER TABLE depthsearch.scores ADD COLUMN test_view TEXT;
"""


def upgrade(op: Operations) -> None:
    """Create the table and the column; nobody knows what the hashes that are stored cover."""
    op.execute(TABLES)
