"""The tables of this version of the program, in a schema of their own; Optuna's tables are not changed.

Rows about a trial are deleted with Optuna's trial (foreign keys); scores of test sets, and the networks that were
scored, are never deleted. A change here needs a script in storage/migrations/versions.
"""

from __future__ import annotations

from sqlalchemy import (
    BLANK_SCHEMA,
    JSON,
    BigInteger,
    Column,
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
)
from sqlalchemy.dialects.postgresql import UUID

SCHEMA = "depthsearch"
VERSION = 10
"""The version of the tables below; the name of the newest script in storage/migrations/versions."""

metadata = MetaData(schema=SCHEMA)

# Optuna's table, in the connection's default schema: here for the foreign keys to it.
_trials = Table("trials", metadata, Column("trial_id", Integer, primary_key=True), schema=BLANK_SCHEMA)


def _trial_id() -> Column[int]:
    reference = ForeignKey(_trials.c.trial_id, ondelete="CASCADE")
    return Column("trial_id", Integer, reference, primary_key=True, autoincrement=False)


NOW = func.now()
MOMENT = DateTime(timezone=True)

# One row. Programs of any version look here first, so that the table itself never changes.
version = Table("version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

studies = Table(
    "studies",
    metadata,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("uuid", UUID(as_uuid=False), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("trials", Integer),
    Column("epoch_budget", Integer),
    Column("deadline", MOMENT),
    Column("control", Text, nullable=False, server_default="run"),
    Column("reason", Text),
    # Higher ones are served first.
    Column("priority", Integer, nullable=False, server_default="0"),
    # By it, others learn that finished trials have changed.
    Column("voids", Integer, nullable=False, server_default="0"),
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
    # Of the trial's parameters and attributes, by which others learn that they have changed.
    Column("writes", Integer, nullable=False, server_default="0"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _trial_id(),
    Column("study_id", Integer, nullable=False, index=True),
    Column("epoch", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
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
    # How, if somebody has asked it to: see storage.leasing.workers.
    Column("leaves", Text),
)

epochs = Table(
    "epochs",
    metadata,
    _trial_id(),
    Column("epoch", Integer, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("reported_at", MOMENT, nullable=False, server_default=NOW),
    # The network at the epoch's start, layer by layer; NULL for an epoch for which it was not measured.
    Column("layers", JSON(none_as_null=True)),
)

confusions = Table(
    "confusions",
    metadata,
    _trial_id(),
    # That of the trial's value.
    Column("epoch", Integer, nullable=False),
    Column("classes", JSON, nullable=False),
    # Validation images: a row for each class, with a number for each class that they were taken for.
    Column("counts", JSON, nullable=False),
)

confirmations = Table(
    "confirmations",
    metadata,
    _trial_id(),
    Column("seed", BigInteger, primary_key=True),
    Column("accuracy", Float(53)),
    Column("best_epoch", Integer),
    Column("failure", Text),
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
    Column("test_view", Text),
    UniqueConstraint("study_uuid", "dataset", "opening"),
)

turns = Table(
    "turns",
    metadata,
    Column("study_uuid", UUID(as_uuid=False), primary_key=True),
    Column("dataset", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
)

networks = Table(
    "networks",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("description", JSON, nullable=False),
)

network_parts = Table(
    "network_parts",
    metadata,
    Column("sha256", Text, ForeignKey(networks.c.sha256, ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("weights", LargeBinary, nullable=False),
)
