"""Studies' scores of test sets as they are shown, read for any number of studies at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import Engine, func, select, text, tuple_

from storage.records.ledger import OPENING, Opening, build_opening
from storage.schema import scores

_MAY_READ = text("SELECT has_table_privilege('depthsearch.scores', 'SELECT')")


def find_result(engine: Engine, study_uuid: str, dataset: str) -> dict[str, Any] | None:
    """Return the newest stored result; None if there is none, or for a role that may not read scores.

    Its `openings` holds a summary of each opening, its `looks` how often any study here has scored this test set.
    """
    return find_results(engine, [(study_uuid, dataset)]).get((study_uuid, dataset))


def find_results(engine: Engine, asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what `find_result` does for each study and data set that has a result."""
    others = scores.alias()
    looks = select(func.count()).where(others.c.dataset == scores.c.dataset, others.c.look.is_not(None))
    wanted = (
        select(scores.c.study_uuid, scores.c.dataset, *OPENING, looks.scalar_subquery().label("looks"))
        .where(tuple_(scores.c.study_uuid, scores.c.dataset).in_(asked))
        .order_by(scores.c.opening)
    )
    with engine.begin() as connection:
        rows = connection.execute(wanted).all() if connection.scalar(_MAY_READ) else []
    found: dict[tuple[str, str], list[Opening]] = defaultdict(list)
    for row in rows:
        found[row.study_uuid, row.dataset].append(build_opening(row))
    counted = {row.dataset: row.looks for row in rows}
    return {
        key: {**scored[-1], "openings": [opening.summary() for opening in openings], "looks": counted[key[1]]}
        for key, openings in found.items()
        if (scored := [opening.result for opening in openings if opening.result is not None])
    }
