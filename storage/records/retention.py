"""How long everything that was measured in an epoch is kept: what is left of old studies is what they taught."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, text

KEPT_TRIALS = 5
"""The best trials of a study keep all their metrics: its final step and its plots look at them."""

# A study whose trials have all ended, the last of them before that time. Optuna's times have no zone: they are the
# clocks of the workers' machines, and a day is as exact as they are.
OLD = """
    old AS (
        SELECT study_id FROM depthsearch.studies JOIN trials USING (study_id)
        WHERE CAST(:name AS text) IS NULL OR name = :name
        GROUP BY study_id
        HAVING bool_and(trials.state NOT IN ('RUNNING', 'WAITING'))
        AND max(datetime_complete) < localtimestamp - make_interval(days => :days)
    ),
    ranked AS (
        SELECT trial_id, study_id, rank() OVER (
            PARTITION BY study_id ORDER BY (state = 'COMPLETE') DESC, value DESC NULLS LAST, number
        ) AS place
        FROM trials JOIN old USING (study_id) LEFT JOIN trial_values USING (trial_id)
    ),
    long AS (
        SELECT trial_id, epoch, study_id FROM depthsearch.epochs JOIN ranked USING (trial_id)
        WHERE place > :kept AND (layers IS NOT NULL OR metrics::jsonb - 'accuracy' - 'seconds' <> '{}')
    ),
    confused AS (
        SELECT trial_id, pg_column_size(classes) + pg_column_size(counts) AS size
        FROM depthsearch.confusions JOIN ranked USING (trial_id) WHERE place > :kept
    )
"""
COUNT = text(f"""
    WITH {OLD} SELECT count(*) AS epochs, count(DISTINCT study_id) AS studies,
    coalesce(sum(pg_column_size(metrics) + coalesce(pg_column_size(layers), 0)), 0)
        + (SELECT coalesce(sum(size), 0) FROM confused) AS size
    FROM long JOIN depthsearch.epochs USING (trial_id, epoch)
""")
SHORTEN = text(f"""
    WITH {OLD} UPDATE depthsearch.epochs e SET layers = NULL, metrics = coalesce(
        (SELECT json_object_agg(key, value) FROM json_each(metrics) WHERE key IN ('accuracy', 'seconds')), '{{}}'
    )
    FROM long WHERE e.trial_id = long.trial_id AND e.epoch = long.epoch
""")
DROP = text(f"""
    WITH {OLD} DELETE FROM depthsearch.confusions c USING confused WHERE c.trial_id = confused.trial_id
""")


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was, or would be, left of old studies."""

    studies: int
    epochs: int
    size_bytes: int
    """Of what was stored for these epochs before, and of their trials' confusion matrices, which go."""


def prune_epochs(engine: Engine, *, days: int, study: str | None = None, check: bool = False) -> Pruned:
    """Keep only accuracy and seconds of the epochs of studies that ended more than `days` days ago, and no matrix.

    Their best trials keep everything. Budgets, curves of accuracy, and what later studies learn from stay as they are.

    study: the one to look at; None for all.
    check: whether to only count.
    """
    values = {"name": study, "days": days, "kept": KEPT_TRIALS}
    with engine.begin() as connection:
        row = connection.execute(COUNT, values).one()
        if not check:
            connection.execute(SHORTEN, values)
            connection.execute(DROP, values)
    return Pruned(studies=row.studies, epochs=row.epochs, size_bytes=int(row.size))
