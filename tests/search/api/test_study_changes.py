"""`search study`: renaming and deleting keep what must be kept, and change nothing that is in use."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import text

from storage import url
from storage.database import Database, open_database
from storage.leasing import leases
from storage.leasing.turns import hold_turn
from storage.optuna_adapter import get_trial_id
from storage.records import ledger, results, studies
from storage.records.ledger import Claim, HeldOutPart
from tests.search.command import Ended, search
from tests.search.serving import COMPLETE, STUDY, make_study


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A storage with one study that was scored, has an epoch of its own and a checkpoint."""
    make_study(database_url)
    with open_database(url.parse(database_url)) as opened:
        record, trial = studies.get(opened.engine, STUDY), trial_ids(opened)[0]
        with opened.engine.begin() as connection:
            metrics = '{"validation_accuracy": 0.5}'
            row = {"trial": trial, "study": record.study_id, "metrics": metrics, "key": f"{record.uuid}/0/1-1-1"}
            connection.execute(text("INSERT INTO depthsearch.epochs VALUES (:trial, 0, 1, :metrics)"), row)
            connection.execute(
                text("INSERT INTO depthsearch.checkpoints VALUES (:trial, :study, 1, :key, 'x', 1)"), row
            )
        with hold_turn(opened.engine, record.uuid, "digits") as turn:
            ledger.claim(turn, STUDY, Claim(weights_sha256="a" * 64, winner={"trial": 2}))
            part = HeldOutPart(sha256="t", view="v")
            ledger.complete(turn, {"test_accuracy": 0.75}, test=part, predictions=b"p")
        yield opened


def trial_ids(database: Database, name: str = STUDY) -> list[int]:
    study = optuna.load_study(study_name=name, storage=database.optuna)
    return [get_trial_id(trial) for trial in study.get_trials(deepcopy=False)]


def counted(database: Database, table: str) -> int:
    with database.engine.begin() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def run(database_url: str, home: Path, *words: str) -> Ended:
    return search("study", *words, env={"SEARCH_STORAGE": database_url, "SEARCH_HOME": str(home)})


def score(database: Database, uuid: str) -> Any:
    return (results.find_result(database.engine, uuid, "digits") or {}).get("test_accuracy")


def test_a_renamed_study_keeps_its_budget_curves_and_score(database: Database, database_url: str, home: Path) -> None:
    before = studies.get(database.engine, STUDY)
    ended = run(database_url, home, "rename", "--study", STUDY, "--to", "clothes")
    assert (ended.code, ended.out) == (0, f"study {STUDY} is called clothes now\n")
    after = studies.get(database.engine, "clothes")
    assert (after.study_id, after.uuid, after.trials, after.spec) == (
        *(before.study_id, before.uuid, before.trials, before.spec),
    )
    assert studies.list_names(database.engine) == ["clothes"]
    assert len(trial_ids(database, "clothes")) == before.trials
    assert counted(database, "depthsearch.epochs") == 1
    assert score(database, after.uuid) == 0.75


@pytest.mark.parametrize("taken", ["ours", "theirs", STUDY])
def test_no_study_is_renamed_to_a_taken_name(database: Database, database_url: str, home: Path, taken: str) -> None:
    studies.create(database, "ours", {}, 1)
    optuna.create_study(study_name="theirs", storage=database.optuna)
    ended = run(database_url, home, "rename", "--study", STUDY, "--to", taken)
    assert ended.code == 2
    assert repr(taken) in ended.err
    assert studies.list_names(database.engine) == [STUDY, "ours"]


def test_a_deleted_study_leaves_its_scores_and_no_checkpoint(database: Database, database_url: str, home: Path) -> None:
    record = studies.get(database.engine, STUDY)
    file = home / "checkpoints" / record.uuid / "0" / "1-1-1"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    other = studies.create(database, "other", {}, 1)
    ended = run(database_url, home, "delete", "--study", STUDY, "--yes")
    assert (ended.code, ended.out) == (0, f"study {STUDY} was deleted; 1 test score of it left in the ledger\n")
    assert studies.list_names(database.engine) == ["other"]
    for table in ("trials", "depthsearch.epochs", "depthsearch.checkpoints"):
        assert counted(database, table) == 0
    assert (counted(database, "studies"), counted(database, "depthsearch.studies")) == (1, 1)
    assert score(database, record.uuid) == 0.75
    assert not file.exists()
    # The name is free, and a study of that name begins without the other's score, as a further look.
    again = studies.create(database, STUDY, {}, 1)
    assert again.uuid not in (record.uuid, other.uuid)
    with database.engine.begin() as connection:
        assert ledger.count_looks(connection, "digits") == 1


@pytest.mark.parametrize("words", [("rename", "--to", "clothes"), ("delete", "--yes")])
def test_a_study_in_use_is_neither_renamed_nor_deleted(
    database: Database, database_url: str, home: Path, words: tuple[str, ...]
) -> None:
    record = studies.get(database.engine, STUDY)
    with database.engine.begin() as connection:
        leases.claim(connection, record.study_id, trial_ids(database)[0], "elsewhere", 300.0)
    ended = run(database_url, home, *words, "--study", STUDY)
    assert ended.code == 1
    assert "search stop" in ended.err
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM depthsearch.leases"))
    studies.create(database, "heir", {"sources": {STUDY: "a" * 64}}, 1)
    ended = run(database_url, home, *words, "--study", STUDY)
    assert ended.code == 1
    assert "heir" in ended.err
    assert studies.list_names(database.engine) == [STUDY, "heir"]
    assert len(trial_ids(database)) > len(COMPLETE)


def test_deleting_asks_for_the_name_again(database: Database, database_url: str, home: Path) -> None:
    """Nobody to ask: nothing is deleted; another name: nothing either."""
    ended = run(database_url, home, "delete", "--study", STUDY)
    assert ended.code == 2
    assert "--yes" in ended.err
    assert answered(database_url, home, "clothes") == 2
    assert studies.list_names(database.engine) == [STUDY]
    assert answered(database_url, home, STUDY) == 0
    assert studies.list_names(database.engine) == []


def answered(database_url: str, home: Path, answer: str) -> int:
    """The exit code of a deletion at a terminal, where somebody types a name."""
    ours, its = pty.openpty()
    environment = {**os.environ, "SEARCH_STORAGE": database_url, "SEARCH_HOME": str(home)}
    words = [sys.executable, "-P", "-m", "search", "study", "delete", "--study", STUDY]
    with subprocess.Popen(words, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True) as process:
        os.close(its)
        os.write(ours, f"{answer}\n".encode())
        shown = b""
        while b"again" not in shown:
            shown += os.read(ours, 1024)
        code = process.wait(60)
    os.close(ours)
    return code


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("rename",), "needs --to"),
        (("rename", "--to", "a/b"), "'a/b'"),
        (("rename", "--to", "b", "--yes"), "no use for --yes"),
        (("delete", "--to", "b"), "no use for --to"),
        (("upgrade", "--to", "b"), "no use for --to"),
        (("upgrade", "--yes"), "no use for --yes"),
        (("copy",), "rename, upgrade and delete"),
    ],
)
def test_wrong_flags_are_refused(database_url: str, home: Path, words: tuple[str, ...], why: str) -> None:
    ended = run(database_url, home, *words, "--study", STUDY)
    assert ended.code == 2
    assert why in ended.err


def test_a_study_that_is_not_there(database_url: str, home: Path) -> None:
    assert run(database_url, home, "delete", "--study", "zzz", "--yes").code == 3
