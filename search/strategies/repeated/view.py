"""A study in which each configuration is one trial: what samplers and pruners see of trials that share theirs."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.strategies.gp.learning_curves import REPORTS
from search.strategies.repeated.configurations import Repeated, average_curve, get_configuration, group_trials
from storage.forwarding import ForwardingStorage
from storage.optuna_adapter import build_trial, get_storage, get_study_id, get_trial_id


class ConfigurationView:
    """Shows one study by its configurations, which are numbered from 0 in the order in which they began."""

    def __init__(self, study: Study) -> None:
        self._storage = _ConfigurationStorage(get_storage(study))
        self.study: Study = optuna.load_study(study_name=study.study_name, storage=self._storage)
        """The study; what is written about one of its trials goes to the one that `find` was asked with."""

    def find(self, trial: FrozenTrial) -> tuple[Repeated[FrozenTrial], FrozenTrial]:
        """Return a trial's configuration, and the configuration as a trial that has the id of the one given."""
        groups = self._storage.read(get_study_id(self.study))
        place = bisect_left(groups, get_configuration(trial), key=lambda group: group.number)
        return groups[place], merge_trials(groups[place], place, get_trial_id(trial))


def merge_trials(group: Repeated[FrozenTrial], number: int, trial_id: int | None = None) -> FrozenTrial:
    """Return a configuration as one trial, whose reports and value are means.

    Its system attribute `REPORTS` says over how many trials the mean of each epoch is.
    """
    first = group.first
    return build_trial(
        get_trial_id(first) if trial_id is None else trial_id,
        number,
        state=group.state,
        values=None if group.value is None else [group.value],
        started=first.datetime_start,
        ended=_find_end(group),
        parameters=first.params,
        distributions=first.distributions,
        user_attributes=dict(group.user_attrs),
        system_attributes=_merge([*(trial.system_attrs for trial in group.trials), {REPORTS: group.reports}]),
        intermediate_values=dict(average_curve(group)),
    )


def _find_end(group: Repeated[FrozenTrial]) -> datetime | None:
    """Return when a configuration was complete or stopped, which stays although others of its trials end later."""
    if not group.state.is_finished():
        return None
    ends = [trial.datetime_complete for trial in group.trials if trial.state == group.state and trial.datetime_complete]
    return (min if group.state == TrialState.PRUNED else max)(ends, default=None)


def _merge(attributes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for each in attributes for name, value in each.items()}


class _ConfigurationStorage(ForwardingStorage):
    """Gives the trials of another storage by their configurations; all else is that storage's own."""

    def __init__(self, storage: BaseStorage) -> None:
        super().__init__(storage)
        # By the configuration's number: it and its trial, which are built again once one of its own has been replaced.
        self._known: dict[int, tuple[Repeated[FrozenTrial], FrozenTrial]] = {}

    def read(self, study_id: int) -> list[Repeated[FrozenTrial]]:
        """Return the configurations in the order in which they began."""
        return group_trials(self.backend.get_all_trials(study_id, deepcopy=False))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        merged = [self._merge(group, number) for number, group in enumerate(self.read(study_id))]
        found = [trial for trial in merged if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _merge(self, group: Repeated[FrozenTrial], number: int) -> FrozenTrial:
        before = self._known.get(group.number)
        # The storage replaces a trial that changes, and a number among the configurations stays.
        if before is not None and [*map(id, before[0].trials)] == [*map(id, group.trials)]:
            return before[1]
        merged = merge_trials(group, number)
        self._known[group.number] = group, merged
        return merged

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        raise NotImplementedError("trials begin in the study itself")
