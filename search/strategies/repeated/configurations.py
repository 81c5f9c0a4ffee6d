"""The configurations of a study whose trials share them; elsewhere each trial is a configuration of its own."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from optuna.trial import FrozenTrial, TrialState

from objectives.base.seeds import derive_seed
from storage.leasing.repeats import CONFIGURATION, REPEAT, REPEATS, STOPPED, MissingRepeat
from storage.leasing.withdrawal import AnyTrial, is_withdrawn
from storage.optuna_adapter import get_trial_id

T = TypeVar("T", bound=AnyTrial)


@dataclass(frozen=True)
class Repeated(Generic[T]):
    """A configuration and the trials that train it, in the order of their numbers; it looks like a trial itself."""

    number: int
    """Of its first trial."""
    trials: tuple[T, ...]

    @cached_property
    def repeats(self) -> int:
        """The trials that it is to have."""
        return max(int(trial.user_attrs.get(REPEATS, 1)) for trial in self.trials)

    @cached_property
    def by_repeat(self) -> Mapping[int, T]:
        """Its trials by their repeat, without those that failed."""
        live = sorted((trial for trial in self.trials if trial.state != TrialState.FAIL), key=get_repeat)
        return {get_repeat(trial): trial for trial in live}

    @cached_property
    def completed(self) -> Mapping[int, T]:
        """Its completed trials by their repeat."""
        return {repeat: trial for repeat, trial in self.by_repeat.items() if trial.state == TrialState.COMPLETE}

    @cached_property
    def state(self) -> TrialState:
        """COMPLETE in all repeats; PRUNED if one is, since none of the others is trained any further then."""
        states = {trial.state for trial in self.trials}
        if TrialState.PRUNED in states:
            return TrialState.PRUNED
        if len(self.completed) >= self.repeats:
            return TrialState.COMPLETE
        return next((only for only in (TrialState.FAIL, TrialState.WAITING) if states == {only}), TrialState.RUNNING)

    @property
    def first(self) -> T:
        """The trial of the first repeat; the first one that failed if all did."""
        return self.trials[0] if len(self.trials) == 1 else next(iter(self.by_repeat.values()), self.trials[0])

    @property
    def values(self) -> Mapping[int, float]:
        """The values of the completed trials by their repeat."""
        return {repeat: float(trial.value or 0.0) for repeat, trial in self.completed.items()}

    @cached_property
    def mean(self) -> float | None:
        """The mean value of its completed trials; None if there are none."""
        return statistics.fmean(self.values.values()) if self.completed else None

    @cached_property
    def reports(self) -> Mapping[int, int]:
        """How many of its trials have reported each epoch."""
        counts: dict[int, int] = defaultdict(int)
        for trial in self.by_repeat.values():
            for epoch in trial.intermediate_values:
                counts[epoch] += 1
        return dict(sorted(counts.items()))

    @property
    def value(self) -> float | None:
        """The mean value, once it is complete."""
        return self.mean if self.state == TrialState.COMPLETE else None

    @property
    def user_attrs(self) -> Mapping[str, Any]:
        """Those of its trials; the reason why it was stopped is that of the trial that was stopped first."""
        counted = [trial for trial in self.trials if not is_withdrawn(trial)] or self.trials
        stopped = [trial.user_attrs for trial in counted if trial.user_attrs.get("reason") == STOPPED]
        others = [trial.user_attrs for trial in counted if trial.user_attrs.get("reason") != STOPPED]
        return {name: value for each in (*stopped, *others) for name, value in each.items()}

    @property
    def intermediate_values(self) -> Collection[int]:
        """The epochs that any of its trials has reported."""
        return self.reports


def average_curve(group: Repeated[FrozenTrial]) -> Mapping[int, float]:
    """Return the mean of each epoch of a configuration over the trials that have reported it."""
    curves = [trial.intermediate_values for trial in group.by_repeat.values()]
    return {epoch: statistics.fmean(curve[epoch] for curve in curves if epoch in curve) for epoch in group.reports}


def get_configuration(trial: AnyTrial) -> int:
    """Return the number of the first trial that has the trial's configuration."""
    return int(trial.user_attrs.get(CONFIGURATION, trial.number))


def get_repeat(trial: AnyTrial) -> int:
    """Return which repeat of its configuration a trial is, counted from 0."""
    return int(trial.user_attrs.get(REPEAT, 0))


def group_trials(trials: Sequence[T]) -> list[Repeated[T]]:
    """Return the configurations of trials that are in the order of their numbers, in the same order."""
    groups: dict[int, list[T]] = defaultdict(list)
    for trial in trials:
        groups[get_configuration(trial)].append(trial)
    return [Repeated(number, tuple(groups[number])) for number in sorted(groups)]


def rank_configurations(trials: Sequence[T]) -> list[Repeated[T]]:
    """Return the configurations that are complete in all repeats, the highest mean first; of equals, the earlier."""
    return rank_complete(group_trials(trials))


def rank_complete(groups: Sequence[Repeated[T]]) -> list[Repeated[T]]:
    """Return those of the configurations that are complete in all repeats, ranked as `rank_configurations` does."""
    begun = (group for group in groups if any(trial.state == TrialState.COMPLETE for trial in group.trials))
    complete = [group for group in begun if group.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda group: (-(group.mean or 0.0), group.number))


def list_missing(trials: Sequence[FrozenTrial], repeats: int, *, keeps_failed: bool) -> list[MissingRepeat]:
    """Return the repeats that no trial trains or has trained, in the order in which they are to be trained.

    Args:
        trials: The study's, in the order of their numbers.
        repeats: Of each configuration.
        keeps_failed: Whether a configuration is trained again even if all its trials failed.
    """
    missing = []
    for group in group_trials(trials):
        # Before a trial's parameters are stored, with its number among the configurations, nobody can repeat it.
        known = [trial for trial in group.trials if CONFIGURATION in trial.user_attrs]
        if known and (group.by_repeat or keeps_failed):
            like = get_trial_id(known[0])
            missing += [
                MissingRepeat(configuration=group.number, repeat=repeat, like=like)
                for repeat in range(repeats)
                if repeat not in group.by_repeat
            ]
    return missing


def derive_trial_seed(study_seed: int, trial: FrozenTrial, repeats: int) -> int:
    """Return the seed of a trial: its own, or that of its repeat, which is the same for every configuration."""
    if repeats == 1:
        return derive_seed(study_seed, trial.number)
    return derive_seed(study_seed, "repeat", get_repeat(trial))
