"""Completed trials as plotly may show them: it reads HTML in names and choices, and Optuna's plots skip None."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.distributions import BaseDistribution, CategoricalChoiceType, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.report.plots.style import as_text


def show_as_text(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return completed trials whose names and choices stand for themselves; numbers stay numbers."""
    return [
        create_trial(
            state=TrialState.COMPLETE,
            value=trial.value,
            params={as_text(name): _show(trial.distributions[name], value) for name, value in trial.params.items()},
            distributions={as_text(name): _show_choices(found) for name, found in trial.distributions.items()},
            user_attrs={"number": trial.number},
        )
        for trial in trials
    ]


def _show_choices(distribution: BaseDistribution) -> BaseDistribution:
    if not isinstance(distribution, CategoricalDistribution):
        return distribution
    return CategoricalDistribution([_show(distribution, choice) for choice in distribution.choices])


def _show(distribution: BaseDistribution, value: CategoricalChoiceType) -> CategoricalChoiceType:
    if not isinstance(distribution, CategoricalDistribution) or all(map(_is_number, distribution.choices)):
        return value
    return as_text(str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
