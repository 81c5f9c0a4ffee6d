"""/healthz and /metrics, as a monitoring system asks for them."""

import time
from collections.abc import Iterator

import optuna
import psycopg2
import pytest
import sqlalchemy
from optuna.trial import TrialState, create_trial
from prometheus_client.parser import text_string_to_metric_families

from storage import url
from storage.database import open_database
from storage.records import studies
from tests.conftest import execute
from tests.search.command import until
from tests.search.serving import COMPLETE, PRUNED, STUDY, Dashboard, serving
from tests.search.test_dashboard_access import PASSWORD, RIGHT
from tests.storage.processes import END_OTHERS

HOSTILE = 'a"} 1\nsearch_trials{study="<script>\\\r\x1b[31m\u202egpj\u2028 \u00e9'


@pytest.fixture(scope="module")
def monitored(study_url: str) -> Iterator[Dashboard]:
    with serving(SEARCH_STORAGE=study_url, SEARCH_DASHBOARD_PASSWORD=PASSWORD) as dashboard:
        yield dashboard


def samples(dashboard: Dashboard) -> dict[tuple[str, str, str], float]:
    """What a scrape finds: its values by name, study and state."""
    answer = dashboard.ask("GET", "/metrics", authorization=RIGHT)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, sample.labels.get("study", ""), sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(str(answer.body))
        for sample in family.samples
    }


def test_health_is_told_to_everybody_and_nothing_else_is(monitored: Dashboard, study_url: str) -> None:
    well = monitored.ask("GET", "/healthz")
    assert (well.status, well.body) == (200, "ok\n")
    assert monitored.ask("POST", "/healthz").status == 401
    location = sqlalchemy.make_url(study_url)
    _, options = location.get_dialect()().create_connect_args(location)
    blocker = psycopg2.connect(**options)
    try:
        blocker.cursor().execute("LOCK TABLE studies IN ACCESS EXCLUSIVE MODE")
        until(lambda: monitored.ask("GET", "/healthz").status == 503, "a storage that does not answer is told")
        begun = time.monotonic()
        assert [monitored.ask("GET", "/healthz").body for _ in range(20)] == ["unavailable\n"] * 20
        assert time.monotonic() - begun < 2  # nobody waits for a storage that is known not to answer
    finally:
        blocker.close()
    until(lambda: monitored.ask("GET", "/healthz").status == 200, "the storage answers again")
    execute(study_url, END_OTHERS)
    until(lambda: monitored.ask("GET", "/healthz").status == 200, "and after it has ended every connection", 5)


def test_numbers_are_those_of_the_storage_and_names_want_the_password(monitored: Dashboard, study_url: str) -> None:
    assert monitored.ask("GET", "/metrics").status == 401
    execute(
        study_url,
        "INSERT INTO depthsearch.workers (worker, study_id, host, device, beat_at) VALUES "
        "('alive', 1, 'h', 'cpu', now() - interval '7 s'), ('gone', 1, 'h', 'cpu', now() - interval '1 h')",
    )
    execute(
        study_url,
        "INSERT INTO depthsearch.leases (trial_id, study_id, token, worker, expires_at) SELECT "
        "trial_id, 1, 1, 'alive', now() + interval '40 s' FROM trials WHERE number = 0",
    )
    execute(
        study_url,
        "INSERT INTO depthsearch.epochs (trial_id, epoch, token, metrics, reported_at) SELECT "
        "trial_id, 0, 1, '{}', now() - interval '20 s' FROM trials WHERE number = 0",
    )
    found = samples(monitored)
    assert found["search_studies", "", ""] == 1
    states = {
        state: value for (name, study, state), value in found.items() if (name, study) == ("search_trials", STUDY)
    }
    assert states == {"complete": len(COMPLETE), "pruned": len(PRUNED), "running": 0, "waiting": 0, "fail": 0}
    assert found["search_epochs_trained", STUDY, ""] == sum(len(curve) for curve in (*COMPLETE, *PRUNED))
    assert found["search_best_value", STUDY, ""] == max(max(curve) for curve in COMPLETE)
    assert found["search_workers_alive", STUDY, ""] == 1
    assert found["search_leases", STUDY, ""] == 1
    assert 7 <= found["search_worker_heartbeat_age_seconds", STUDY, ""] < 20
    assert 20 < found["search_lease_seconds_left", STUDY, ""] <= 40
    assert 20 <= found["search_report_age_seconds", STUDY, ""] < 40


def test_a_hostile_name_stays_one_label(monitored: Dashboard, study_url: str) -> None:
    before = samples(monitored)
    with open_database(url.parse(study_url)) as database:
        studies.create(database, HOSTILE, {}, 1)
        loss = optuna.create_study(study_name="loss", storage=database.optuna, direction="minimize")
        for value in (3.0, 2.0, float("inf")):
            loss.add_trial(create_trial(state=TrialState.COMPLETE, value=value))
    found = samples(monitored)
    assert {study for _, study, _ in found} - {study for _, study, _ in before} == {HOSTILE, "loss"}
    assert {name for name, _, _ in found} == {name for name, _, _ in before}
    assert found["search_best_value", "loss", ""] == 2.0
    assert ("search_best_value", HOSTILE, "") not in found
