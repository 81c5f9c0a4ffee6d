"""The tables as they were before upgrades existed.

Postgres names the constraints itself: `<table>_<columns>_fkey` and so on. Optuna's table `trials` lies in the
connection's default schema.
"""

from __future__ import annotations

from alembic.operations import Operations

revision = "3"
down_revision = None

TABLES = """
CREATE TABLE depthsearch.version (version SERIAL NOT NULL PRIMARY KEY);
INSERT INTO depthsearch.version (version) VALUES (3);

CREATE TABLE depthsearch.studies (
    study_id SERIAL NOT NULL PRIMARY KEY,
    uuid UUID NOT NULL UNIQUE,
    name TEXT NOT NULL,
    spec JSON NOT NULL,
    trials INTEGER NOT NULL,
    deadline TIMESTAMP WITH TIME ZONE,
    control TEXT DEFAULT 'run' NOT NULL,
    reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);

CREATE TABLE depthsearch.leases (
    trial_id SERIAL NOT NULL PRIMARY KEY REFERENCES trials (trial_id) ON DELETE CASCADE,
    study_id INTEGER NOT NULL,
    token BIGINT NOT NULL,
    worker TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    hangs INTEGER DEFAULT 0 NOT NULL
);
CREATE INDEX ix_depthsearch_leases_study_id ON depthsearch.leases (study_id);

CREATE TABLE depthsearch.checkpoints (
    trial_id SERIAL NOT NULL PRIMARY KEY REFERENCES trials (trial_id) ON DELETE CASCADE,
    study_id INTEGER NOT NULL,
    token BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    key TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    saved_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);
CREATE INDEX ix_depthsearch_checkpoints_study_id ON depthsearch.checkpoints (study_id);

CREATE TABLE depthsearch.workers (
    worker TEXT NOT NULL PRIMARY KEY,
    study_id INTEGER NOT NULL,
    host TEXT NOT NULL,
    device TEXT NOT NULL,
    trial INTEGER,
    epoch INTEGER,
    beat_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);
CREATE INDEX ix_depthsearch_workers_study_id ON depthsearch.workers (study_id);

CREATE TABLE depthsearch.epochs (
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    token BIGINT NOT NULL,
    accuracy DOUBLE PRECISION NOT NULL,
    metrics JSON NOT NULL,
    reported_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (trial_id, epoch)
);

CREATE TABLE depthsearch.confirmations (
    trial_id INTEGER NOT NULL REFERENCES trials (trial_id) ON DELETE CASCADE,
    seed BIGINT NOT NULL,
    accuracy DOUBLE PRECISION,
    best_epoch INTEGER,
    failure TEXT,
    trained_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (trial_id, seed)
);

CREATE TABLE depthsearch.scores (
    score_id SERIAL NOT NULL PRIMARY KEY,
    study_uuid UUID NOT NULL,
    study_name TEXT NOT NULL,
    dataset TEXT NOT NULL,
    opening INTEGER DEFAULT 1 NOT NULL,
    reason TEXT,
    weights_sha256 TEXT NOT NULL,
    winner JSON NOT NULL,
    claimed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    look INTEGER,
    test_sha256 TEXT,
    result JSON,
    predictions BYTEA,
    scored_at TIMESTAMP WITH TIME ZONE,
    UNIQUE (study_uuid, dataset, opening)
);

CREATE TABLE depthsearch.networks (
    sha256 TEXT NOT NULL PRIMARY KEY,
    description JSON NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);

CREATE TABLE depthsearch.network_parts (
    sha256 TEXT NOT NULL REFERENCES depthsearch.networks (sha256) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    weights BYTEA NOT NULL,
    PRIMARY KEY (sha256, part)
);
"""


def upgrade(op: Operations) -> None:
    """Create the tables in a schema that has none."""
    op.execute(TABLES)
