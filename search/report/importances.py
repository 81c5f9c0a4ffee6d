"""How much each hyperparameter matters for a study's value, with how uncertain that is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.errors import NothingToDo

FEWEST_TRIALS = 20
FEWEST_GOOD = 5
"""The trials that are compared with all others: the best tenth, but at least as many as the method asks for."""
RESAMPLES = 20
MOST_RESAMPLED = 1000
"""Trials of one resampled study; with more, the spread would take minutes."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The importance of one hyperparameter."""

    name: str
    share: float
    """Its share of all importances, from 0 to 1."""
    low: float
    """The tenth percentile of the share over resampled studies."""
    high: float
    """The ninetieth percentile."""


def measure_importances(trials: Sequence[FrozenTrial], study: str, seed: int = 0) -> list[Importance]:
    """Return the importances of a study's hyperparameters, highest first.

    By PED-ANOVA in its conditional form (Watanabe et al. 2023, arXiv:2304.10255; arXiv:2601.20800): how much the best
    tenth of the trials prefers values that all do not. The spread is that over studies of as many trials, drawn from
    these with replacement.

    trials: completed ones. study: its name, for the error.

    Raises:
        NothingToDo: there are too few trials for any such statement.
    """
    if len(trials) < FEWEST_TRIALS:
        raise NothingToDo(
            f"importances need {FEWEST_TRIALS} completed trials, but study {study!r} has {len(trials)}; train more"
        )
    random = np.random.default_rng(seed)
    shares = _measure(trials)
    size = min(len(trials), MOST_RESAMPLED)
    drawn = [_measure([trials[k] for k in random.integers(0, len(trials), size)]) for _ in range(RESAMPLES)]
    found = []
    for parameter, share in shares.items():
        low, high = np.quantile([each.get(parameter, 0.0) for each in drawn], (0.1, 0.9))
        found.append(Importance(name=parameter, share=share, low=float(low), high=float(high)))
    return sorted(found, key=lambda each: (-each.share, each.name))


def rank_parameters(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of the hyperparameters that vary, the most important first; by name if there are few trials."""
    names = sorted({name for trial in trials for name in trial.params})
    varied = [name for name in names if len({trial.params[name] for trial in trials if name in trial.params}) > 1]
    if len(trials) < FEWEST_TRIALS:
        return varied
    shares = _measure(trials)
    return sorted(varied, key=lambda name: (-shares.get(name, 0.0), name))


def collect(trials: Sequence[FrozenTrial]) -> Study:
    """Return a study in memory with these trials."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return study


def _measure(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(0.1, FEWEST_GOOD / len(trials)))
    with warnings.catch_warnings():  # of a parameter that a single trial has: its share is one of few trials
        warnings.simplefilter("ignore")
        return dict(get_param_importances(collect(trials), evaluator=evaluator))
