"""A storage as optuna-dashboard reads it: Optuna's, with what is made for the page of the study that is asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container
from functools import cache, partial
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from objectives.base.printable import escape_controls
from search.dashboard.content.artifacts import PREFIX, list_trial_artifacts
from search.dashboard.content.asked import find_asked
from search.dashboard.content.studies import StudyContent
from search.errors import StoredValueRefused
from storage.database import Database
from storage.errors import UnknownStudy
from storage.forwarding import ForwardingStorage
from storage.history import confusions
from storage.optuna_adapter import for_display, get_frozen_study_id, get_trial_id

_log = logging.getLogger(__name__)
MOST_CURVES = 300
"""Trials of a study whose page has optuna-dashboard's plot of intermediate values.

It draws one line for each trial, even for one without values, and all of them again every ten seconds: that takes a
browser a second for a few hundred trials, 15 seconds for 4,000, and minutes for 10,000.
"""


class ContentStorage(ForwardingStorage):
    """Reads as Optuna's storage, and adds to what it reads; writes what is written, and nothing of what it adds.

    optuna-dashboard keeps notes, plots and files in system attributes: it finds ours there, though none is stored.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database.history)
        self._database = database
        self._lock = threading.Lock()
        self._contents: dict[tuple[int, str], StudyContent | None] = {}
        self._curveless: set[int] = set()
        self._shown: dict[int, tuple[int, bool, FrozenTrial, FrozenTrial]] = {}
        """By the trial's id: of which object, whether with its curve, as it is shown, and that object, which stays."""

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial as Optuna's storage does."""
        return self.backend.create_new_trial(study_id, template_trial)

    def get_all_studies(self) -> list[Any]:
        """Return every study, with a name that is text; the one whose page is asked for with its content."""
        found = self.backend.get_all_studies()
        for study in found:
            if asked := find_asked(study_id := get_frozen_study_id(study)):
                study.system_attrs = self._add(study_id, study.study_name, study.system_attrs)
                asked.note_study(study)
            study.study_name = escape_controls(study.study_name)  # a mark from right to left would turn what follows
        return found

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return a study's trials; for its page, with their files."""
        trials = self.backend.get_all_trials(study_id, deepcopy, states)
        asked = find_asked(study_id)
        if asked is None:
            return trials
        has_files = self.find_content(study_id, self.backend.get_study_name_from_id(study_id)) is not None
        if states is None:
            (self._curveless.add if len(trials) > MOST_CURVES else self._curveless.discard)(study_id)
        has_curve = self.has_curves(study_id)
        find_matrices = cache(partial(confusions.list_trials, self._database.engine, study_id))
        list_files = partial(_list_files, find_matrices if has_files else None)
        shown = [self._show(trial, list_files, has_curve=has_curve) for trial in trials]
        if states is None:
            asked.note_trials(shown)
        return shown

    def has_curves(self, study_id: int) -> bool:
        """Return whether the trials of a study had their intermediate values when they were shown last."""
        return study_id not in self._curveless

    def find_content(self, study_id: int, name: str) -> StudyContent | None:
        """Return what is shown of a study; None if another program made it."""
        with self._lock:
            if (study_id, name) not in self._contents:
                try:
                    self._contents[study_id, name] = StudyContent(self._database, name)
                except (UnknownStudy, StoredValueRefused) as error:
                    _log.debug("study %r is shown as Optuna keeps it: %s", name, error)
                    self._contents[study_id, name] = None
            return self._contents[study_id, name]

    def _add(self, study_id: int, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
        own = {key: value for key, value in attributes.items() if not key.startswith(PREFIX)}
        content = self.find_content(study_id, name)
        return own if content is None else content.add_to(own)

    def _show(
        self, trial: FrozenTrial, list_files: Callable[[FrozenTrial], dict[str, str]], *, has_curve: bool
    ) -> FrozenTrial:
        """Return a copy of the trial, with its files if it has any; the same copy as long as it is the same trial."""
        known = self._shown.get(get_trial_id(trial))
        if known is None or known[:2] != (id(trial), has_curve):
            own = {key: value for key, value in trial.system_attrs.items() if not key.startswith(PREFIX)}
            shown = for_display(trial, {**own, **list_files(trial)}, has_reports=has_curve)
            known = (id(trial), has_curve, shown, trial)
            self._shown[get_trial_id(trial)] = known
        return known[2]


def _list_files(find_matrices: Callable[[], frozenset[int]] | None, trial: FrozenTrial) -> dict[str, str]:
    """Return a trial's files, none without `find_matrices`, which finds the ended trials that have a matrix."""
    if find_matrices is None:
        return {}
    has_matrix = trial.state.is_finished() and get_trial_id(trial) in find_matrices()
    return list_trial_artifacts(trial, has_matrix=has_matrix)
