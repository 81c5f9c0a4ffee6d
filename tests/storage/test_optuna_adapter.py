"""The contract with Optuna: each assumption of storage/optuna_adapter.py that Optuna does not promise, by name.

If one of these tests fails after an upgrade of Optuna, its name or its message says what Optuna has changed.
"""

from __future__ import annotations

import ast
import re

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from sqlalchemy import Engine, event, inspect

from storage import optuna_adapter
from storage.database import Database
from storage.optuna_adapter import (
    add_trial,
    attach_trial,
    for_display,
    get_engine,
    get_study_id,
    get_trial_id,
    read_trial,
    set_user_attribute,
    within_connection,
)
from tests.storage.conftest import ask
from tests.test_architecture import ROOT, imported_names, modules

COLUMNS = {
    "STUDIES": ("studies", {"study_id", "study_name"}),
    "TRIALS": ("trials", {"trial_id", "study_id", "number", "state", "datetime_start", "datetime_complete"}),
    "PARAMETERS": ("trial_params", {"trial_id", "param_name", "param_value", "distribution_json"}),
    "VALUES": ("trial_values", {"trial_id", "objective", "value", "value_type"}),
    "INTERMEDIATE_VALUES": (
        "trial_intermediate_values",
        {"trial_id", "step", "intermediate_value", "intermediate_value_type"},
    ),
    "USER_ATTRIBUTES": ("trial_user_attributes", {"trial_id", "key", "value_json"}),
    "SYSTEM_ATTRIBUTES": ("trial_system_attributes", {"trial_id", "key", "value_json"}),
}


# -- tables and ids


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_has_its_name_and_columns(name: str, database: Database) -> None:
    table, columns = COLUMNS[name]
    found = getattr(optuna_adapter, name)
    assert found.name == table, f"Optuna has renamed the table {table}, which our SQL reads"
    missing = columns - {column.name for column in found.columns}
    assert not missing, f"Optuna's table {table} no longer has {missing}"
    stored = {column["name"] for column in inspect(database.engine).get_columns(table)}
    assert columns <= stored, f"Optuna creates the table {table} without {columns - stored}"


@pytest.mark.parametrize("name", sorted(COLUMNS.keys() - {"STUDIES"}))
def test_rows_about_a_trial_can_be_copied_without_their_own_id(name: str) -> None:
    table = getattr(optuna_adapter, name)
    [key] = table.primary_key.columns
    assert key.autoincrement, f"the primary key of {table.name} is no longer a number that Postgres gives"
    needed = {column.name for column in table.columns if not column.nullable and column.default is None} - {key.name}
    assert needed <= COLUMNS[name][1], f"Optuna's table {table.name} needs {needed - COLUMNS[name][1]}, new to us"


def test_states_are_stored_by_their_names(database: Database) -> None:
    labels = ask(database.engine, "SELECT unnest(enum_range(NULL::trialstate))::text")
    assert {label for (label,) in labels} == {"RUNNING", "WAITING", "COMPLETE", "PRUNED", "FAIL"}


def test_a_study_carries_the_id_of_its_row(database: Database, study: optuna.Study) -> None:
    assert ask(database.engine, "SELECT study_id, study_name FROM studies") == [(get_study_id(study), "s")]


def test_a_trial_carries_the_id_of_its_row(database: Database, study: optuna.Study) -> None:
    trial = study.ask()
    [frozen] = study.get_trials()
    row = (get_trial_id(trial), trial.number, get_study_id(study))
    assert ask(database.engine, "SELECT trial_id, number, study_id FROM trials") == [row]
    assert get_trial_id(frozen) == get_trial_id(trial)


def test_an_added_trial_gives_its_id(database: Database, study: optuna.Study) -> None:
    finished = optuna.trial.create_trial(params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)}, value=0.25)
    added = add_trial(study, finished)
    rows = ask(database.engine, "SELECT trial_id, state::text, value FROM trials JOIN trial_values USING (trial_id)")
    assert rows == [(added, "COMPLETE", 0.25)]


def test_the_parameters_of_an_enqueued_trial_are_a_system_attribute(database: Database, study: optuna.Study) -> None:
    study.enqueue_trial({"x": 0.5})
    rows = ask(database.engine, "SELECT key, value_json FROM trial_system_attributes")
    assert (optuna_adapter.ENQUEUED_PARAMETERS, '{"x": 0.5}') in rows


# -- trials


def test_a_stored_trial_is_read_afresh_while_it_runs(database_url: str, study: optuna.Study) -> None:
    trial = study.ask()
    study.get_trials()
    elsewhere = attach_trial(optuna.load_study(study_name="s", storage=RDBStorage(database_url)), get_trial_id(trial))
    elsewhere.set_user_attr("note", 1)
    elsewhere.report(0.5, 3)
    stored = read_trial(trial)
    assert stored.user_attrs == {"note": 1}, "Optuna reads attributes of a running trial from a cache"
    assert stored.intermediate_values == {3: 0.5}, "Optuna reads values of a running trial from a cache"


def test_an_attached_trial_is_the_same_trial(database_url: str, study: optuna.Study) -> None:
    first = study.ask()
    x = first.suggest_float("x", 0, 1)
    first.report(0.25, 0)
    fresh = optuna.load_study(study_name="s", storage=RDBStorage(database_url))
    second = attach_trial(fresh, get_trial_id(first))
    assert second.number == first.number
    assert second.suggest_float("x", 0, 1) == x, "a stored parameter is drawn again"
    second.suggest_float("y", 0, 1)
    second.report(0.5, 1)
    fresh.tell(second, 0.5)
    [stored] = study.get_trials()
    assert (set(stored.params), stored.intermediate_values, stored.value) == ({"x", "y"}, {0: 0.25, 1: 0.5}, 0.5)


def test_a_pruner_can_set_an_attribute_of_a_stored_trial(database: Database, study: optuna.Study) -> None:
    trial = study.ask()
    set_user_attribute(study, study.get_trials()[0], "audited", 2)
    assert read_trial(trial).user_attrs == {"audited": 2}


def test_a_finished_trial_takes_no_report(study: optuna.Study) -> None:
    trial = study.ask()
    study.tell(trial, 0.5)
    with pytest.raises(UpdateFinishedTrialError):
        trial.report(0.5, 0)


# -- the storage


def test_the_storage_uses_the_engine_that_it_shows(database_url: str) -> None:
    storage = RDBStorage(database_url)
    engine = get_engine(storage)
    engine.dispose()
    opened: list[object] = []
    event.listen(engine, "connect", lambda connection, record: opened.append(connection))
    storage.get_all_studies()
    assert len(opened) == 1, "Optuna's sessions use connections of another engine"
    storage.remove_session()
    engine.dispose()


def test_a_storage_within_a_connection_leaves_the_commit_to_it(
    database: Database, other: Engine, study: optuna.Study
) -> None:
    with database.engine.connect() as connection, connection.begin() as transaction:
        inner = within_connection(database.optuna, connection)
        made = optuna.create_study(study_name="inner", storage=inner)
        made.enqueue_trial({"x": 0.5})
        assert ask(other, "SELECT study_name FROM studies") == [("s",)], "Optuna commits by itself"
        transaction.rollback()
    assert ask(other, "SELECT study_name FROM studies") == [("s",)]
    assert ask(other, "SELECT * FROM trials") == []


def test_tables_of_another_version_are_a_runtime_error(database_url: str, other: Engine) -> None:
    """Not a silent upgrade, nor an error of another kind: `storage.database` turns it into a sentence."""
    ask(other, "UPDATE alembic_version SET version_num = 'v2.6.0.a' RETURNING 1")
    with pytest.raises(RuntimeError, match="version"):
        RDBStorage(database_url)


# -- nothing else touches what Optuna does not promise


OPTUNA_ADAPTER = "storage/optuna_adapter.py"


def find_unpromised_names() -> set[str]:
    """The names that Optuna's own objects have and that Optuna does not promise to keep."""
    storage = RDBStorage("sqlite://")
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    objects = (study, trial, study.trials[0], storage, study.sampler, study.pruner)
    storage.engine.dispose()
    private = {name for each in objects for name in dir(each) if re.match("_[^_]", name)}
    return private | {"scoped_session", "__new__"}


def find_unpromised_uses(source: str, unpromised: set[str]) -> list[str]:
    """The private modules of Optuna that a file imports, and the private names of its objects that the file reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [name for name in imported_names(node) if re.match(r"optuna\..*\b_", name)]
        elif isinstance(node, ast.Attribute) and node.attr in unpromised:
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            found += [] if own else [ast.unparse(node)]
    return found


@pytest.fixture(scope="module")
def unpromised() -> set[str]:
    return find_unpromised_names()


def test_only_the_adapter_touches_what_optuna_does_not_promise(unpromised: set[str]) -> None:
    uses = {
        str(path.relative_to(ROOT)): found
        for package in ("search", "storage")
        for path in modules(package)
        if (found := find_unpromised_uses(path.read_text(), unpromised))
    }
    assert list(uses) == [OPTUNA_ADAPTER], "use or extend the functions of storage/optuna_adapter.py"


@pytest.mark.parametrize(
    "source",
    [
        "from optuna.storages._rdb import models",
        "from optuna.storages._rdb.models import TrialModel",
        "import optuna._callbacks",
        "from optuna.study import _frozen",
        "trial._trial_id",
        "self.trial._trial_id",
        "study._storage.get_trial(1)",
        "storage.scoped_session.remove()",
        "RDBStorage.__new__(RDBStorage)",
    ],
)
def test_an_unpromised_use_is_found(source: str, unpromised: set[str]) -> None:
    assert find_unpromised_uses(source, unpromised) != []


@pytest.mark.parametrize("source", ["self._trial_id", "import optuna", "from optuna.trial import Trial", "os._exit(1)"])
def test_other_uses_are_allowed(source: str, unpromised: set[str]) -> None:
    assert find_unpromised_uses(source, unpromised) == []


def test_a_copy_for_display_leaves_the_trial_as_it_is() -> None:
    trial = optuna.trial.create_trial(value=0.5, intermediate_values={0: 0.5}, system_attrs={"a": 1})
    copied = for_display(trial, {"b": 2}, has_reports=False)
    assert (copied.system_attrs, copied.intermediate_values, copied.value) == ({"b": 2}, {}, 0.5)
    assert (trial.system_attrs, trial.intermediate_values) == ({"a": 1}, {0: 0.5})
