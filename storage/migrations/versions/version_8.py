"""An epoch tells what was measured inside the network; the loss that training minimizes is named train_objective."""

from __future__ import annotations

from alembic.operations import Operations

revision = "8"
down_revision = "7"

# Until now the shipped loop, which alone reports a learning_rate_end, called what it minimizes the training loss, with
# dropout, augmentation, smoothing and penalties. A metric of an objective's own keeps its name.
TABLES = """
ALTER TABLE depthsearch.epochs ADD COLUMN layers JSON;
UPDATE depthsearch.epochs
    SET metrics = replace(metrics::text, '"train_loss":', '"train_objective":')::json
    WHERE metrics -> 'train_loss' IS NOT NULL AND metrics -> 'learning_rate_end' IS NOT NULL;
"""


def upgrade(op: Operations) -> None:
    """Add the column, which is empty for the epochs that are stored, and rename their metric."""
    op.execute(TABLES)
