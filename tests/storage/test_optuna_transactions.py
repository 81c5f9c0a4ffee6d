"""The contract with Optuna about its transactions: each assumption that Optuna does not promise, by name.

If one of these tests fails after an upgrade of Optuna, its name or its message says what Optuna has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState
from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from storage.database import Database
from storage.optuna_adapter import attach_trial, get_study_id, get_trial_id, observe_transactions, read_trial
from tests.storage.conftest import ask
from tests.storage.processes import END_OTHERS

WRITES: dict[str, Callable[[Trial], object]] = {
    "suggest_float": lambda trial: trial.suggest_float("x", 0, 1),
    "report": lambda trial: trial.report(0.5, 0),
    "set_user_attr": lambda trial: trial.set_user_attr("note", 1),
    "set_constraint": lambda trial: trial.set_constraint("feasible", 1.0),
}

ENDS = ("committed", "rolled back")


class Refused(Exception):
    """What the observer of these tests raises."""


@dataclass
class Recorder:
    """Notes what it is told; at the moment `refuse` it raises, and before each commit it calls `look`."""

    seen: list[str] = field(default_factory=list)
    wrote: list[bool] = field(default_factory=list)
    refuse: str = ""
    look: Callable[[], None] = lambda: None

    def trial_started(self, connection: Connection, study_id: int, trial_id: int) -> None:
        self._note(f"started {study_id} {trial_id}", "started")

    def trial_finished(self, connection: Connection, trial_id: int) -> None:
        self._note(f"finished {trial_id}", "finished")

    def before_commit(self, connection: Connection, *, wrote: bool) -> None:
        self.look()
        self.wrote.append(wrote)
        if wrote:
            self._note("wrote", "wrote")

    def after_commit(self) -> None:
        self.seen.append("committed")

    def after_rollback(self) -> None:
        self.seen.append("rolled back")

    def forget(self) -> None:
        self.seen.clear()
        self.wrote.clear()

    def writes(self) -> list[str]:
        """What was told about transactions that wrote, each up to its end."""
        shown, open_ = [], False
        for told in self.seen:
            open_ = open_ or told not in ENDS
            if open_:
                shown.append(told)
            open_ = open_ and told not in ENDS
        return shown

    def _note(self, told: str, moment: str) -> None:
        self.seen.append(told)
        if self.refuse == moment:
            raise Refused


@pytest.fixture
def recorder(database: Database, study: optuna.Study) -> Recorder:
    recorder = Recorder()
    observe_transactions(database.optuna, recorder)
    return recorder


def test_a_new_trial_starts_in_one_transaction(database: Database, study: optuna.Study, recorder: Recorder) -> None:
    trial = study.ask()
    told = [f"started {get_study_id(study)} {get_trial_id(trial)}", "wrote", "committed"]
    assert recorder.writes() == told, "Optuna's RDBStorage no longer creates a trial in one transaction through the ORM"


def test_a_refused_start_leaves_no_trial(other: Engine, study: optuna.Study, recorder: Recorder) -> None:
    recorder.refuse = "started"
    with pytest.raises(Refused):  # as it is, not wrapped
        study.ask()
    assert "rolled back" in recorder.seen
    assert ask(other, "SELECT * FROM trials") == []


def test_a_new_trial_locks_the_row_of_its_study(other: Engine, study: optuna.Study, recorder: Recorder) -> None:
    """Else two workers would give their trials the same number."""
    refused = []

    def look() -> None:
        try:
            ask(other, "SELECT study_id FROM studies FOR SHARE NOWAIT")
        except OperationalError as error:
            refused.append(isinstance(error.orig, LockNotAvailable))

    recorder.look = look
    study.ask()
    assert any(refused), "Optuna's RDBStorage no longer locks the study's row while it creates a trial"


def test_an_enqueued_trial_starts_in_one_transaction(
    database_url: str, study: optuna.Study, recorder: Recorder, other: Engine
) -> None:
    optuna.load_study(study_name="s", storage=RDBStorage(database_url)).enqueue_trial({"x": 0.5})
    recorder.refuse = "started"
    with pytest.raises(Refused):
        study.ask()
    assert ask(other, "SELECT state::text FROM trials") == [("WAITING",)]
    recorder.refuse = ""
    recorder.forget()
    trial = study.ask()
    told = [f"started {get_study_id(study)} {get_trial_id(trial)}", "wrote", "committed"]
    assert recorder.writes() == told, "Optuna no longer starts an enqueued trial in one transaction through the ORM"


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
def test_a_trial_finishes_in_one_transaction_with_its_value(
    state: TrialState, study: optuna.Study, recorder: Recorder, other: Engine
) -> None:
    trial = study.ask()
    trial.report(0.25, 0)
    value = 0.5 if state == TrialState.COMPLETE else None
    recorder.refuse = "finished"
    with pytest.raises(Refused):
        study.tell(trial, value, state=state)
    assert ask(other, "SELECT state::text FROM trials") == [("RUNNING",)]
    assert ask(other, "SELECT * FROM trial_values") == [], "Optuna stores a trial's value apart from its state"
    recorder.refuse = ""
    recorder.forget()
    study.tell(trial, value, state=state, skip_if_finished=True)
    assert recorder.writes() == [f"finished {get_trial_id(trial)}", "wrote", "committed"]
    recorder.forget()
    study.tell(trial, value, state=state, skip_if_finished=True)
    assert recorder.writes() == [], "telling the end of a finished trial again is no longer passed over"


@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_one_transaction_and_known_as_a_write(
    write: str, study: optuna.Study, recorder: Recorder, other: Engine
) -> None:
    trial = study.ask()
    counted = "SELECT (SELECT count(*) FROM trial_params), (SELECT count(*) FROM trial_intermediate_values), \
        (SELECT count(*) FROM trial_user_attributes), (SELECT count(*) FROM trial_system_attributes)"
    before = ask(other, counted)
    recorder.refuse = "wrote"
    with pytest.raises(Refused):
        WRITES[write](trial)
    assert ask(other, counted) == before, f"Trial.{write} stores something outside the transaction that is observed"
    recorder.refuse = ""
    recorder.forget()
    WRITES[write](trial)
    assert recorder.writes() == ["wrote", "committed"], f"Trial.{write} is no longer one transaction"
    assert ask(other, counted) != before


def test_reading_is_not_known_as_a_write(study: optuna.Study, recorder: Recorder) -> None:
    trial = study.ask()
    trial.report(0.5, 0)
    recorder.forget()
    study.get_trials()
    read_trial(trial)
    trial.should_prune()
    attach_trial(study, get_trial_id(trial))
    assert recorder.wrote
    assert not any(recorder.wrote), "Optuna writes something where it should only read"


def test_a_lost_connection_is_told_as_a_rollback(other: Engine, study: optuna.Study, recorder: Recorder) -> None:
    trial = study.ask()
    recorder.forget()

    def cut() -> None:
        ask(other, END_OTHERS)

    recorder.look = cut
    with pytest.raises(StorageInternalError):
        trial.report(0.5, 0)
    assert recorder.seen[-1] == "rolled back"
    assert "committed" not in recorder.seen


def test_a_report_that_failed_can_be_repeated(study: optuna.Study, recorder: Recorder) -> None:
    trial = study.ask()
    recorder.refuse = "wrote"
    with pytest.raises(Refused):
        trial.report(0.5, 0)
    assert read_trial(trial).intermediate_values == {}
    recorder.refuse = ""
    trial.report(0.5, 0)
    assert read_trial(trial).intermediate_values == {0: 0.5}, "Optuna's trial believes that it had reported already"
