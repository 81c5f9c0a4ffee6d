"""The scripts make the same tables from nothing and from an old storage, and lose nothing that is stored."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from storage import schema, url
from storage.copying.upgrades import upgrade
from storage.database import open_database
from storage.errors import SchemaMismatch
from storage.history import confusions
from storage.migrations import runner
from storage.migrations.versions.version_4 import SHIPPED, upgrade_spec
from storage.records import epochs, finished_trials, networks, results, studies
from tests.conftest import as_administrator, execute
from tests.storage.migrations import fixture
from tests.storage.migrations.fixture import EXPECTED, HALF_DONE, SCORED


def refused(address: str) -> str:
    with pytest.raises(SchemaMismatch) as caught, open_database(url.parse(address)):
        pass
    return str(caught.value)


def test_there_is_one_line_of_scripts_up_to_the_programs_version() -> None:
    scripts = ScriptDirectory(runner.__file__.rpartition("/")[0])
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == [str(version) for version in range(schema.VERSION, runner.OLDEST - 1, -1)]
    assert scripts.get_heads() == [str(schema.VERSION)]
    assert len(runner.describe_steps(runner.OLDEST)) == schema.VERSION - runner.OLDEST
    assert runner.describe_steps(schema.VERSION) == []


def test_new_tables_are_those_of_the_schema(database_url: str) -> None:
    with open_database(url.parse(database_url)):
        pass
    by_scripts = fixture.describe_tables(database_url)
    execute(database_url, "DROP SCHEMA depthsearch CASCADE")
    execute(database_url, "CREATE SCHEMA depthsearch")
    engine = create_engine(database_url)
    schema.metadata.create_all(engine)
    engine.dispose()
    by_schema = fixture.describe_tables(database_url)
    alembic = {name: {row for row in rows if "alembic_version" in str(row)} for name, rows in by_scripts.items()}
    assert {name: rows - alembic[name] for name, rows in by_scripts.items()} == by_schema
    assert len(by_schema["columns"]) > 50
    assert len(by_schema["constraints"]) > 10


def test_upgraded_tables_are_those_of_a_new_storage(old: str, database_url: str) -> None:
    upgrade(url.parse(old))
    with open_database(url.parse(database_url)):
        pass
    assert fixture.describe_tables(old) == fixture.describe_tables(database_url)


def bring_to(old: str, version: int) -> None:
    """Leave a storage of version 3 as a program of this later version did."""
    scripts, engine = ScriptDirectory(runner.__file__.rpartition("/")[0]), create_engine(old)
    with engine.begin() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table_schema": schema.SCHEMA,
                "fn": lambda heads, _: scripts._upgrade_revs(str(version), heads),
            },
        )
        context.stamp(scripts, "3")
        context.run_migrations(op=Operations(context))
        connection.execute(text(f"UPDATE depthsearch.version SET version = {version}"))
    engine.dispose()


def test_studies_of_version_5_keep_their_number_of_trials(old: str) -> None:
    bring_to(old, 5)
    assert "tables of version 5" in refused(old)
    assert upgrade(url.parse(old)).steps[0].startswith("version 6:")
    with open_database(url.parse(old)) as database:
        record = studies.get(database.engine, HALF_DONE)
        assert (record.trials, record.epoch_budget) == (8, None)
        studies.raise_budget(database.engine, record.study_id, None, 100)
        record = studies.get(database.engine, HALF_DONE)
        assert (record.trials, record.epoch_budget) == (None, 100)


@pytest.fixture
def roles(old: str) -> Iterator[tuple[str, str, str]]:
    """Three roles, of which the first may add epochs, the second look at them, and the third neither."""
    names = tuple(f"{name}_of_{old.rpartition('/')[2].partition('?')[0]}" for name in ("adds", "looks", "neither"))
    adds, looks, neither = names
    execute(as_administrator(old), "; ".join(f"CREATE ROLE {name}" for name in names))
    grants = f"GRANT SELECT, INSERT ON depthsearch.epochs TO {adds}; GRANT SELECT ON depthsearch.epochs TO {looks}"
    execute(as_administrator(old), grants)
    yield adds, looks, neither
    execute(as_administrator(old), "; ".join(f"DROP OWNED BY {name}; DROP ROLE {name}" for name in names))


def test_a_storage_of_version_9_keeps_everything_and_its_workers_may_add_matrices(
    old: str, roles: tuple[str, str, str]
) -> None:
    bring_to(old, 9)
    epochs_before = execute(old, "SELECT e::text FROM depthsearch.epochs e ORDER BY trial_id, epoch")
    rows = fixture.count_rows(old)
    assert len(epochs_before) > 5
    assert [step.partition(":")[0] for step in upgrade(url.parse(old)).steps] == ["version 10"]
    assert execute(old, "SELECT e::text FROM depthsearch.epochs e ORDER BY trial_id, epoch") == epochs_before
    assert fixture.count_rows(old) == rows

    def list_rights(role: str) -> list[str]:
        """What a role may do with the new table."""
        asked = "SELECT name FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS name WHERE "
        allowed = execute(old, f"{asked} has_table_privilege('{role}', 'depthsearch.confusions', name)")
        return [str(name) for (name,) in allowed]

    assert [list_rights(role) for role in roles] == [["SELECT", "INSERT"], ["SELECT"], []]
    with open_database(url.parse(old)) as database:
        study_id = studies.get(database.engine, SCORED).study_id
        assert confusions.list_trials(database.engine, study_id) == frozenset()
        [(trial_id,), *_] = execute(old, f"SELECT trial_id FROM trials WHERE study_id = {study_id} ORDER BY number")
        assert confusions.find(database.engine, int(str(trial_id))) is None


def test_a_program_of_any_version_reads_the_same_number(old: str) -> None:
    upgrade(url.parse(old))
    assert execute(old, "SELECT version FROM depthsearch.version") == [(schema.VERSION,)]
    assert execute(old, "SELECT version_num FROM depthsearch.alembic_version") == [(str(schema.VERSION),)]


def test_an_upgrade_loses_nothing(old: str) -> None:
    metrics = execute(old, "SELECT trial_id, epoch, token, metrics::text, reported_at FROM depthsearch.epochs")
    scores = execute(old, "SELECT to_jsonb(s)::text FROM depthsearch.scores s ORDER BY score_id")
    upgrade(url.parse(old))
    trained = sum(len(EXPECTED["curves"][name]) for name in ("before", SCORED))  # each tells its threads now
    rows = {
        **EXPECTED["rows"],
        "public.trial_user_attributes": EXPECTED["rows"]["public.trial_user_attributes"] + trained,
    }
    assert fixture.count_rows(old) == rows
    renamed = [(*row[:3], str(row[3]).replace('"train_loss":', '"train_objective":'), *row[4:]) for row in metrics]
    assert execute(old, "SELECT trial_id, epoch, token, metrics::text, reported_at FROM depthsearch.epochs") == renamed
    kept = "SELECT (to_jsonb(s) - 'test_view')::text FROM depthsearch.scores s ORDER BY score_id"
    assert execute(old, kept) == scores


def test_the_loss_of_version_7_is_what_was_minimized(old: str) -> None:
    """Only the shipped loop's: a metric of an objective's own keeps its name, its value and its place."""
    own = '{"accuracy": 0.5, "train_loss": 0.25, "the \\"train_loss\\"": 1}'
    shipped = '{"accuracy": 0.5,  "train_loss": 0.25, "learning_rate": 0.1, "learning_rate_end": 0.1}'
    found = "SELECT metrics::text FROM depthsearch.epochs ORDER BY trial_id, epoch"
    first, second = execute(old, "SELECT trial_id, epoch FROM depthsearch.epochs ORDER BY trial_id, epoch LIMIT 2")
    for (trial, epoch), metrics in ((first, own), (second, shipped)):
        where = f"WHERE (trial_id, epoch) = ({trial}, {epoch})"
        execute(old, f"UPDATE depthsearch.epochs SET metrics = '{metrics}' {where}")
    before = execute(old, found)
    assert any(step.startswith("version 8:") for step in upgrade(url.parse(old)).steps)
    assert execute(old, found)[:2] == [(own,), (shipped.replace("train_loss", "train_objective"),)]
    assert len(execute(old, found)) == len(before)
    assert execute(old, "SELECT count(*) FROM depthsearch.epochs WHERE layers IS NOT NULL") == [(0,)]
    with open_database(url.parse(old)) as database:
        assert epochs.read_layers(database.engine, int(str(first[0]))) == {}
        assert epochs.read_curve(database.engine, int(str(second[0])))[int(str(second[1]))]["train_objective"] == 0.25


def test_what_is_stored_is_read_as_before(old: str) -> None:
    upgrade(url.parse(old))
    with open_database(url.parse(old)) as database:
        scored = studies.get(database.engine, SCORED)
        curves = EXPECTED["curves"][SCORED]
        found = finished_trials.read_trials(database.engine, scored.study_id, 10)
        assert [curve for _, curve in found] == [trial["accuracies"] for trial in curves.values()]
        assert [parameters for parameters, _ in found] == [trial["params"] for trial in curves.values()]
        assert epochs.count_epochs(database.engine, scored.study_id) == 6
        result = results.find_result(database.engine, scored.uuid, "digits")
        assert result is not None
        assert result["test_accuracy"] == EXPECTED["final"]["test_accuracy"]
        assert [opening["look"] for opening in result["openings"]] == [1, 2]
        network = networks.find_for_study(database.engine, SCORED)
        assert network is not None
        assert network.sha256 == EXPECTED["final"]["weights_sha256"]


def test_a_study_gets_its_policy_and_the_hash_of_what_its_objective_declares(old: str) -> None:
    execute(
        old,
        "UPDATE depthsearch.studies SET spec = jsonb_set(spec::jsonb, '{objective_hash}', '\"mine\"')::json "
        "WHERE name = 'scored'",
    )
    upgrade(url.parse(old))
    with open_database(url.parse(old)) as database:
        half_done, scored = studies.list_records(database.engine)
    assert half_done.spec["policy"] == "curves/1+rank/1"
    assert half_done.spec["objective_hash"] == SHIPPED["digits-depth"][1]
    assert scored.spec["policy"] == "curves/1+none/1"
    assert scored.spec["objective_hash"] == "mine"
    assert list(half_done.spec)[:3] == ["objective", "objective_hash", "overrides"]  # the order is kept


def test_a_trial_tells_its_threads_in_a_number(old: str) -> None:
    upgrade(url.parse(old))
    told = "SELECT DISTINCT key, value_json FROM trial_user_attributes WHERE key IN ('hardware', 'threads') ORDER BY 1"
    assert execute(old, told) == [("hardware", '"x86_64 AVX512"'), ("threads", "1")]


def test_a_file_of_the_same_content_under_another_name_keeps_its_hash() -> None:
    of_file, _ = SHIPPED["digits-depth"]
    spec = {"objective": "my-digits", "objective_hash": of_file, "sampler": "tpe", "pruner": "median"}
    before = copy.deepcopy(spec)
    assert upgrade_spec(spec) == {**before, "policy": "tpe/1+median/1"}


def test_an_old_storage_is_refused_with_the_remedy(old: str) -> None:
    assert f"tables of version 3, and this program works with version {schema.VERSION}" in refused(old)
    assert "`search storage upgrade`" in refused(old)


def test_a_newer_storage_is_refused_with_the_remedy(database_url: str) -> None:
    with open_database(url.parse(database_url)):
        pass
    execute(database_url, "UPDATE depthsearch.version SET version = 99")
    assert (
        f"tables of version 99, and this program knows versions up to {schema.VERSION}; install the newer"
        in refused(database_url)
    )
    with pytest.raises(SchemaMismatch, match="version 99"):
        upgrade(url.parse(database_url))


def test_a_storage_that_is_too_old_is_refused(old: str) -> None:
    execute(old, "UPDATE depthsearch.version SET version = 2")
    assert "tables of version 2, and the oldest that can be upgraded is 3" in refused(old)
    with pytest.raises(SchemaMismatch, match="version 2"):
        upgrade(url.parse(old))


def test_a_schema_that_an_administrator_made_is_filled(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE SCHEMA depthsearch")
    with open_database(url.parse(empty_database_url)) as database:
        assert studies.list_records(database.engine) == []
    assert execute(empty_database_url, "SELECT version FROM depthsearch.version") == [(schema.VERSION,)]
