"""A trial keeps which classes its network took for which."""

from __future__ import annotations

from alembic.operations import Operations

revision = "10"
down_revision = "9"

# Roles that may read and add epochs, such as the workers' and the readers', may do so with matrices: a worker that may
# not add one could not end its trials.
TABLES = """
CREATE TABLE depthsearch.confusions (
    trial_id INTEGER NOT NULL PRIMARY KEY REFERENCES trials (trial_id) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    classes JSON NOT NULL,
    counts JSON NOT NULL
);
DO $$ DECLARE held RECORD; BEGIN
    FOR held IN
        SELECT grantee, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema = 'depthsearch' AND table_name = 'epochs' AND privilege_type IN ('SELECT', 'INSERT')
    LOOP
        EXECUTE format('GRANT %s ON depthsearch.confusions TO %I', held.privilege_type, held.grantee);
    END LOOP;
END $$;
"""


def upgrade(op: Operations) -> None:
    """Add the table: no trial that has ended has a matrix."""
    op.execute(TABLES)
