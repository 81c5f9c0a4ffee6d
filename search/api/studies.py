"""The studies of a storage: listed, changed, deleted, and given configurations to train."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from optuna.trial import TrialState, create_trial

from objectives.base.plurals import count_noun
from search.api.session import Session
from search.connection import open_storage
from search.errors import StoredValueRefused, UsageError
from search.settings import Settings, load
from search.strategies.budgets import share_slots
from search.strategies.given import read_configuration
from search.strategies.policy import describe_policy
from search.strategies.repeated.configurations import group_trials
from search.study.create import check_not_moved
from search.study.plan import check_name
from search.study.spec import PolicyPeriod, StudySpec, change_policy
from search.study.status import StudyView
from search.study.status_types import Status
from spaces import Scalar
from storage.database import Database
from storage.errors import UnreadableTrials, format_command
from storage.leasing.slots import limit_trials
from storage.optuna_adapter import ENQUEUED_PARAMETERS, add_trial
from storage.records import checkpoints, studies, study_changes
from storage.records.blob_stores import open_store

MOST_AT_ONCE = 1000
"""Configurations that a study is given at once."""

_log = logging.getLogger(__name__)


def list_studies(*, storage: str | None = None) -> tuple[Status, ...]:
    """Return the state of every study in a storage, the oldest first.

    Args:
        storage: Postgres URL. Default: SEARCH_STORAGE, OPTUNA_STORAGE, or the embedded server.

    Raises:
        StorageError: the storage cannot be reached.
    """
    return read_studies(load(storage=storage))


def read_studies(settings: Settings) -> tuple[Status, ...]:
    """Return the state of every study in the storage that the settings name, the oldest first.

    A study whose record was changed in the storage is left out, with a warning: the others can be listed.
    """
    with open_storage(settings) as database:
        found = [_read_status(database, name) for name in studies.list_names(database.engine)]
    return tuple(status for status in found if status is not None)


def _read_status(database: Database, name: str) -> Status | None:
    try:
        return StudyView(database, name).status()
    except (StoredValueRefused, UnreadableTrials) as error:
        _log.warning("study %r is left out: %s", name, error)
        return None


def rename_study(database: Database, name: str, new_name: str) -> None:
    """Give a study another name; its trials, budget, curves and score stay.

    Raises:
        UsageError: no study can have the new name.
        StorageError: there is no such study, it is in use, or the new name is taken.
    """
    check_name(new_name)
    study_changes.rename(database, name, new_name)


def upgrade_study(database: Database, name: str) -> tuple[PolicyPeriod, ...] | None:
    """Let this program's search policy choose and stop a study's trials from here on; those that it has stay.

    Returns:
        All policies that it has had, the present one last; None if it has this program's already.

    Raises:
        UsageError: it was moved to another storage.
        StorageError: there is no such study, or it is in use.
    """
    record = studies.get(database.engine, name)
    check_not_moved(record)
    spec = StudySpec.from_json(record.spec)
    current = describe_policy(spec.sampler, spec.pruner)
    if spec.policy == current:
        return None
    study_changes.change_spec(database, name, lambda stored, trials: change_policy(stored, current, trials))
    return StudySpec.from_json(studies.get(database.engine, name).spec).policy_periods


def delete_study(database: Database, name: str, settings: Settings) -> int:
    """Delete a study with its trials and checkpoints; return how many rows of the ledger stay.

    Raises:
        StorageError: there is no such study, it is in use, or a checkpoint could not be removed.
    """
    record, keys, kept = study_changes.remove(database, name)
    store = open_store(settings.checkpoint_place)
    for key in keys:
        checkpoints.remove(store, key)
    store.tidy(record.uuid, ())
    return kept


@dataclass(frozen=True, kw_only=True)
class EnqueuedTrial:
    """A trial that waits for a worker."""

    trial: int
    """Its number."""
    params: Mapping[str, Scalar]
    """What is decided; the sampler chooses the rest when the trial begins."""


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """Trials that a study has been given; they begin before any that its sampler proposes."""

    study: str
    repeats: int
    """Trials that each of them will be, with its repeats."""
    trials: tuple[EnqueuedTrial, ...]
    missing: int
    """By how many trials the budget is too small for all that wait."""

    def to_json(self) -> dict[str, object]:
        """Return the document that `search try --json` prints."""
        return asdict(self)

    @property
    def notes(self) -> list[str]:
        """What else is to be done, in sentences."""
        if not self.missing:
            return []
        more = format_command("resume", "--study", self.study, "--trials", "N")
        return [
            f"the budget is too small for all that wait, by {count_noun(self.missing, 'trial')}; raise it with `{more}`"
        ]


def enqueue(session: Session, configurations: Sequence[Mapping[str, str]]) -> Enqueued:
    """Let a study train these configurations next, given as names and texts of some or all of its parameters.

    Raises:
        UsageError: there are none or too many, the study trains a grid, or it was moved to another storage.
        SpaceError: a value is not in the study's space; nothing is enqueued.
    """
    spec = session.view.spec
    check_not_moved(session.record)
    if share_slots(spec).keeps_failed:
        raise UsageError(
            f"study {session.record.name!r} trains every configuration of its grid and no other; start a study of "
            "another name for yours"
        )
    if not 1 <= len(configurations) <= MOST_AT_ONCE:
        raise UsageError(
            f"give 1 to {MOST_AT_ONCE} configurations, such as --set depth=3 --set learning_rate=0.1, but got "
            f"{len(configurations)}"
        )
    space = spec.read_space()
    found = [read_configuration(space, given) for given in configurations]
    session.database.check_writable()
    trials = tuple(_add(session, parameters) for parameters in found)
    return Enqueued(study=session.record.name, repeats=spec.repeats, trials=trials, missing=_count_missing(session))


def _add(session: Session, parameters: Mapping[str, Scalar]) -> EnqueuedTrial:
    waiting = create_trial(state=TrialState.WAITING, system_attrs={ENQUEUED_PARAMETERS: dict(parameters)})
    trial_id = add_trial(session.load_optuna(), waiting)
    return EnqueuedTrial(trial=session.database.history.get_trial(trial_id).number, params=parameters)


def _count_missing(session: Session) -> int:
    """Return by how many trials the budget is too small for all that wait."""
    record, repeats = session.record, session.view.spec.repeats
    if record.trials is None:
        return 0
    groups = [group for group in group_trials(session.view.trials()) if group.state != TrialState.FAIL]
    return max(0, repeats * len(groups) - limit_trials(record.trials, record.epoch_budget))
