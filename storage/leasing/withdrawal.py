"""Trials that a person ends or takes out: cancelled ones, and voided ones, which count no more.

Both are one transaction of the process that asks. The lease goes with it, so that a worker which still trains the trial
can write nothing about it any more; it learns that with its next epoch or beat.

A cancelled trial is PRUNED: ended early by a decision, with an honest curve, and its slot is spent. A voided one is
FAIL without a value, which everything that reads Optuna's trials leaves out of account: samplers, pruners, the budget,
the best trial. So is one that was cancelled while it waited, which has no slot. A trial's user attributes tell:
`reason` is one of the words below, `void` is why it does not count, `voided_from` what it had been.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, text

from storage.leasing.repeats import CONFIGURATION, MEMBERS, STOPPED, VOID
from storage.optuna_adapter import now

CANCELLED = "cancelled"
VOIDED = "void"
VOIDED_FROM = "voided_from"

_LOCK = text(
    "SELECT trial_id, number, state::text AS state FROM trials WHERE study_id = :study AND number = :number FOR UPDATE"
)
_NOTES = text("SELECT key, value_json FROM trial_user_attributes WHERE trial_id = :trial")
_STATE = text(
    "UPDATE trials SET state = CAST(:state AS trialstate), "
    "datetime_complete = coalesce(datetime_complete, CAST(:now AS timestamp)) WHERE trial_id = :trial"
)
_UNLEASE = text("DELETE FROM depthsearch.leases WHERE trial_id = :trial")
_NOTE = text(
    "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (:trial, :key, :value) "
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
)
# Successive halving compares what trials had at their rungs, in whatever state they are.
_FORGET = (
    text("DELETE FROM trial_values WHERE trial_id = :trial"),
    text("DELETE FROM trial_system_attributes WHERE trial_id = :trial AND starts_with(key, 'completed_rung_')"),
)
_COUNT = text("UPDATE depthsearch.studies SET voids = voids + :count WHERE study_id = :study")
_STOPPED_WITH = text(
    f"WITH {MEMBERS} SELECT number, n.value_json AS reason FROM members m JOIN trials t USING (trial_id) "
    "LEFT JOIN trial_user_attributes n ON n.trial_id = t.trial_id AND n.key = 'reason' "
    "WHERE m.configuration = :configuration AND t.state = 'PRUNED' AND number <> :number ORDER BY number"
)


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """What became of a trial that somebody asked to cancel or to void."""

    before: TrialState
    """Its state until then."""
    done: bool
    """Whether it was cancelled or voided now; false if it had ended, or been voided, before."""
    told: str | None = None
    """Why it was voided earlier, if it was."""
    others: tuple[int, ...] = ()
    """Repeats of its configuration that had been stopped because of it, and are voided with it."""


class AnyTrial(Protocol):
    """What is known of a trial, however much of it was read: Optuna's `FrozenTrial`, or a summary of it."""

    @property
    def number(self) -> int:
        """Position in the study, counted from 0."""

    @property
    def state(self) -> TrialState:
        """Its state, as Optuna has it."""

    @property
    def value(self) -> float | None:
        """Its value; None if it has none."""

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """Its user attributes, or those of them that were read."""

    @property
    def intermediate_values(self) -> Collection[int]:
        """The epochs that are stored."""


def is_void(trial: AnyTrial) -> bool:
    """Return whether a trial was voided: nothing may count it or learn from it."""
    return VOID in trial.user_attrs


def is_withdrawn(trial: AnyTrial) -> bool:
    """Return whether a person took a trial out, so that its state FAIL tells of no failure."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get("reason") in (CANCELLED, VOIDED)


def cancel(engine: Engine, study_id: int, number: int) -> Withdrawal:
    """End a trial that runs, or remove one that waits; one that has ended stays as it is.

    The study has a trial of that number.
    """
    with engine.begin() as connection:
        trial = connection.execute(_LOCK, {"study": study_id, "number": number}).one()
        before = TrialState[trial.state]
        if before.is_finished():
            return Withdrawal(before=before, done=False, told=_read_notes(connection, trial.trial_id).get(VOID))
        state = TrialState.PRUNED if before == TrialState.RUNNING else TrialState.FAIL
        _end(connection, trial.trial_id, state, {"reason": CANCELLED})
    return Withdrawal(before=before, done=True)


def void(engine: Engine, study_id: int, number: int, reason: str) -> Withdrawal:
    """Take a trial out of account, in whatever state it is; it is kept, with its curve.

    The study has a trial of that number.
    """
    with engine.begin() as connection:
        trial = connection.execute(_LOCK, {"study": study_id, "number": number}).one()
        before, notes = TrialState[trial.state], _read_notes(connection, trial.trial_id)
        if VOID in notes:
            return Withdrawal(before=before, done=False, told=str(notes[VOID]))
        others = _find_stopped_with(connection, study_id, number, notes)
        _void(connection, trial.trial_id, before, notes, reason)
        for other in others:
            stopped = connection.execute(_LOCK, {"study": study_id, "number": other}).one()
            why = f"stopped because of trial {number}, which was voided: {reason}"
            _void(connection, stopped.trial_id, TrialState.PRUNED, {"reason": STOPPED}, why)
        # Processes that know the study read it again, because finished trials have changed.
        connection.execute(_COUNT, {"study": study_id, "count": 1 + len(others)})
    return Withdrawal(before=before, done=True, others=tuple(others))


def _void(connection: Connection, trial_id: int, before: TrialState, notes: Mapping[str, Any], reason: str) -> None:
    earlier = notes.get("reason")
    was = before.name.lower() + ("" if earlier is None else f" ({earlier})")
    _end(connection, trial_id, TrialState.FAIL, {"reason": VOIDED, VOID: reason, VOIDED_FROM: was})
    for statement in _FORGET:
        connection.execute(statement, {"trial": trial_id})


def _end(connection: Connection, trial_id: int, state: TrialState, notes: Mapping[str, str]) -> None:
    connection.execute(_STATE, {"trial": trial_id, "state": state.name, "now": now()})
    connection.execute(_UNLEASE, {"trial": trial_id})
    for key, value in notes.items():
        connection.execute(_NOTE, {"trial": trial_id, "key": key, "value": json.dumps(value)})


def _find_stopped_with(connection: Connection, study_id: int, number: int, notes: Mapping[str, Any]) -> Sequence[int]:
    """Return the repeats that were stopped because this trial was, if no other of its configuration was by itself."""
    if CONFIGURATION not in notes:
        return ()
    asked = {"study": study_id, "number": number, "configuration": notes[CONFIGURATION]}
    stopped = connection.execute(_STOPPED_WITH, asked).all()
    followed = [row.number for row in stopped if row.reason == json.dumps(STOPPED)]
    return followed if len(followed) == len(stopped) else ()


def _read_notes(connection: Connection, trial_id: int) -> dict[str, Any]:
    return {row.key: json.loads(row.value_json) for row in connection.execute(_NOTES, {"trial": trial_id})}
