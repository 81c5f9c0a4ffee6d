"""Our own tables, in a schema of their own beside Optuna's, which stay as Optuna made them.

Rows about trials go when Optuna's trial goes (foreign keys); scores of test sets, and the networks that were
scored, stay whatever is deleted.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from storage.errors import SchemaMismatch

SCHEMA = "depthsearch"
VERSION = 3

metadata = MetaData(schema=SCHEMA)


def _trial_id() -> Column[int]:
    # Optuna's tables live in the connection's default schema; create_all must not try to make them.
    return Column("trial_id", Integer, primary_key=True)


NOW = func.now()
MOMENT = DateTime(timezone=True)

version = Table("version", metadata, Column("version", Integer, primary_key=True))

studies = Table(
    "studies",
    metadata,
    Column("study_id", Integer, primary_key=True),
    Column("uuid", UUID(as_uuid=False), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("deadline", MOMENT),
    Column("control", Text, nullable=False, server_default="run"),
    Column("reason", Text),
    Column("created_at", MOMENT, nullable=False, server_default=NOW),
)

leases = Table(
    "leases",
    metadata,
    _trial_id(),
    Column("study_id", Integer, nullable=False, index=True),
    Column("token", BigInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("hangs", Integer, nullable=False, server_default="0"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _trial_id(),
    Column("study_id", Integer, nullable=False, index=True),
    Column("token", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("saved_at", MOMENT, nullable=False, server_default=NOW),
)

workers = Table(
    "workers",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("study_id", Integer, nullable=False, index=True),
    Column("host", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("trial", Integer),
    Column("epoch", Integer),
    Column("beat_at", MOMENT, nullable=False, server_default=NOW),
)

epochs = Table(
    "epochs",
    metadata,
    _trial_id(),
    Column("epoch", Integer, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("accuracy", Float(53), nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("reported_at", MOMENT, nullable=False, server_default=NOW),
)

confirmations = Table(
    "confirmations",
    metadata,
    _trial_id(),
    Column("seed", BigInteger, primary_key=True),
    Column("accuracy", Float(53)),
    Column("best_epoch", Integer),
    Column("failure", Text),
    Column("trained_at", MOMENT, nullable=False, server_default=NOW),
)

scores = Table(
    "scores",
    metadata,
    Column("score_id", Integer, primary_key=True),
    Column("study_uuid", UUID(as_uuid=False), nullable=False),
    Column("study_name", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("opening", Integer, nullable=False, server_default="1"),
    Column("reason", Text),
    Column("weights_sha256", Text, nullable=False),
    Column("winner", JSON, nullable=False),
    Column("claimed_at", MOMENT, nullable=False, server_default=NOW),
    Column("look", Integer),
    Column("test_sha256", Text),
    Column("result", JSON),
    Column("predictions", LargeBinary),
    Column("scored_at", MOMENT),
    UniqueConstraint("study_uuid", "dataset", "opening"),
)

networks = Table(
    "networks",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("description", JSON, nullable=False),
    Column("created_at", MOMENT, nullable=False, server_default=NOW),
)

network_parts = Table(
    "network_parts",
    metadata,
    Column("sha256", Text, ForeignKey(networks.c.sha256, ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("weights", LargeBinary, nullable=False),
)


def ensure(connection: Connection) -> None:
    """Make our schema and tables where they are missing, in the caller's transaction.

    Raises:
        SchemaMismatch: they were made by another version of this program.
    """
    if not inspect(connection).has_schema(SCHEMA):  # to ask for what is there takes a right that many lack
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    metadata.create_all(connection)
    found = connection.scalar(select(func.max(version.c.version)))
    if found is None:
        connection.execute(insert(version).values(version=VERSION))
        for table in (leases, epochs, checkpoints, confirmations):
            connection.execute(
                text(
                    f"ALTER TABLE {SCHEMA}.{table.name} ADD FOREIGN KEY (trial_id) "
                    "REFERENCES trials (trial_id) ON DELETE CASCADE"
                )
            )
    elif found != VERSION:
        raise SchemaMismatch(
            f"this storage has tables of version {found}, this program reads version {VERSION}; "
            "use the version of depthsearch that made it, or another storage"
        )
