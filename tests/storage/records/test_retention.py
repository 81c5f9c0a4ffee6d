"""What is left of old studies: nothing that a budget, a curve of accuracy, a later study or a final step needs goes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from storage import url
from storage.database import Database, open_database
from storage.records import epochs, finished_trials, studies
from storage.records.retention import KEPT_TRIALS, Pruned, prune_epochs
from tests.conftest import copied
from tests.storage.records.made_trials import add_trial

METRICS = {"accuracy": 0.1 + 0.2, "loss": 1e-05, "seconds": 0.25, "learning_rate_end": 0.1}
LAYERS = {"dense": {"gradient": 1e-07}}
TRIALS = KEPT_TRIALS + 3


@pytest.fixture(scope="module")
def database(server: str, template: str) -> Iterator[Database]:
    """Studies that ended 100 and 10 days ago, one that runs, and one that has no trials."""
    with copied(server, template) as address, open_database(url.parse(address)) as database:
        for name in ("old", "young", "running", "empty"):
            studies.create(database, name, {"objective": "made-up"}, 100)
        for number in range(TRIALS):
            add_trial(database, "old", state="COMPLETE", value=number / 100, days=100, metrics=METRICS, layers=LAYERS)
            add_trial(database, "young", state="COMPLETE", value=number / 100, days=10, metrics=METRICS, layers=LAYERS)
            add_trial(database, "running", state="COMPLETE", value=number / 100, days=100, metrics=METRICS)
        add_trial(database, "old", state="PRUNED", value=0.9, days=100, metrics=METRICS, layers=LAYERS)
        add_trial(database, "running", state="RUNNING", value=None, days=100, metrics=METRICS)
        with database.engine.begin() as connection:
            connection.execute(text("INSERT INTO depthsearch.confusions SELECT trial_id, 0, '[]', '[]' FROM trials"))
        yield database


def list_matrices(database: Database, name: str) -> list[int]:
    """The numbers of the trials that have a confusion matrix."""
    rows = text(
        "SELECT number FROM depthsearch.confusions JOIN trials USING (trial_id) JOIN studies USING (study_id) "
        "WHERE study_name = :name ORDER BY number"
    )
    with database.engine.begin() as connection:
        return list(connection.scalars(rows, {"name": name}))


def read(database: Database, name: str) -> list[tuple[int, dict[str, float], object]]:
    rows = text(
        "SELECT number, metrics, layers FROM depthsearch.epochs JOIN trials USING (trial_id) "
        "JOIN studies USING (study_id) WHERE study_name = :name ORDER BY number"
    )
    with database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(rows, {"name": name})]


def test_only_counting_changes_nothing(database: Database) -> None:
    before = [read(database, name) for name in ("old", "young", "running")]
    counted = prune_epochs(database.engine, days=90, check=True)
    assert (counted.studies, counted.epochs) == (1, TRIALS + 1 - KEPT_TRIALS)
    assert counted.size_bytes > counted.epochs * len(json.dumps(METRICS))
    assert [read(database, name) for name in ("old", "young", "running")] == before
    assert list_matrices(database, "old") == list(range(TRIALS + 1))
    assert prune_epochs(database.engine, days=200, check=True) == Pruned(studies=0, epochs=0, size_bytes=0)
    assert prune_epochs(database.engine, days=90, study="young", check=True).epochs == 0
    assert prune_epochs(database.engine, days=5, study="young", check=True).epochs == TRIALS - KEPT_TRIALS


def test_the_best_of_an_old_study_keep_everything_and_the_others_what_is_learnt_from(database: Database) -> None:
    kept = [read(database, name) for name in ("young", "running")]
    study_id = studies.get(database.engine, "old").study_id
    learnt = finished_trials.measure_extent(database.engine, study_id)
    counted, reports = epochs.count_epochs(database.engine, study_id), epochs.read_reports(database.engine, study_id)
    prune_epochs(database.engine, days=90)
    best = range(TRIALS - KEPT_TRIALS, TRIALS)
    for number, metrics, layers in read(database, "old"):
        whole = number in best
        assert metrics == (METRICS if whole else {"accuracy": 0.1 + 0.2, "seconds": 0.25}), number
        assert layers == (LAYERS if whole else None)
    assert [read(database, name) for name in ("young", "running")] == kept
    assert list_matrices(database, "old") == list(best)
    assert [len(list_matrices(database, name)) for name in ("young", "running")] == [TRIALS, TRIALS + 1]
    assert finished_trials.measure_extent(database.engine, study_id) == learnt
    assert epochs.count_epochs(database.engine, study_id) == counted
    assert epochs.read_reports(database.engine, study_id) == reports
    assert prune_epochs(database.engine, days=90) == Pruned(studies=0, epochs=0, size_bytes=0)
