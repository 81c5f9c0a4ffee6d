"""What has changed in a study since somebody last looked, for those who keep their own form of its trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from storage.history.storage import HistoryStorage
from storage.optuna_adapter import get_storage, get_study_id


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where a look at a study ended."""

    generation: int
    revision: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The trials that have changed since a mark, in the order of their numbers."""

    trials: Sequence[FrozenTrial]
    mark: Mark | None
    """For the next look; None if the study's storage is Optuna's own, which always gives all trials."""
    outdated: bool
    """Whether what was read before no longer counts."""


def read_changes(study: optuna.Study, mark: Mark | None) -> Changes:
    """Return what has changed in a study since a mark; everything without one."""
    storage = get_storage(study)
    if not isinstance(storage, HistoryStorage):
        return Changes(trials=study.get_trials(deepcopy=False), mark=None, outdated=False)
    with storage.holding(get_study_id(study)) as history:
        now = Mark(generation=history.generation, revision=history.revision)
        if mark is None or mark.generation != now.generation:
            return Changes(trials=history.list_trials(), mark=now, outdated=True)
        changed = sorted(history.list_changed(mark.revision), key=lambda trial: trial.number)
        return Changes(trials=changed, mark=now, outdated=False)
