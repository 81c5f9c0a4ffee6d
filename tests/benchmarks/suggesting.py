"""How long a suggestion takes, by the number of trials that it can learn from.

In CPU time, which is what an idle core would take: the trials are in memory, and there is nothing to wait for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from objectives.base.seeds import derive_seed
from search.strategies.gp.prior_models import PriorStudy
from search.strategies.policy import build_strategies
from search.strategies.registry import StrategySetting
from spaces import Space

EPOCHS = 20
# What share of the trials is stopped, and an earlier study's trials.
PRUNED = 0.85
EARLIER_TRIALS = 100


@dataclass(frozen=True, kw_only=True)
class Times:
    """CPU seconds: of the first suggestion of a process, and the median and ninth decile of those that follow."""

    first: float
    median: float
    ninth: float


def times(sampler: str, space: Space, *, trials: int, earlier: int, suggestions: int, seed: int = 0) -> Times:
    """Take the time of suggestions, each after one more trial has come to its end."""
    setting = StrategySetting(space=space, epochs=EPOCHS, seed=seed, experience=_earlier(space, earlier, seed))
    study = optuna.create_study(direction="maximize", sampler=build_strategies(sampler, "none", setting)[0])
    study.add_trials(_finished(space, trials, derive_seed(seed, "history")))
    took = []
    for number in range(suggestions):
        started = time.process_time()
        trial = study.ask()
        space.sample(trial)
        took.append(time.process_time() - started)
        _end(trial, derive_seed(seed, "end", number))
    first, *others = took
    return Times(first=first, median=float(np.median(others)), ninth=float(np.quantile(others, 0.9)))


def _curve(generator: np.random.Generator) -> list[float]:
    """A plausible curve, most of them cut off early."""
    height, speed = generator.uniform(0.3, 0.95), generator.uniform(0.2, 1.0)
    values = height * (1 - np.exp(-speed * np.arange(1, EPOCHS + 1))) + generator.normal(0, 0.01, EPOCHS)
    whole = generator.random() >= PRUNED
    return [float(value) for value in values[: EPOCHS if whole else generator.integers(1, EPOCHS // 2)]]


def _end(trial: optuna.Trial, seed: int) -> None:
    curve = _curve(np.random.default_rng(seed))
    for epoch, value in enumerate(curve):
        trial.report(value, epoch)
    if len(curve) == EPOCHS:
        trial.study.tell(trial, max(curve))
    else:
        trial.study.tell(trial, state=TrialState.PRUNED)


def _finished(space: Space, trials: int, seed: int) -> Iterator[FrozenTrial]:
    """Random configurations with made-up curves."""
    generator = np.random.default_rng(seed)
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**32))
    for _ in range(trials):
        trial = drawn.ask()
        space.sample(trial)
        curve = _curve(generator)
        yield create_trial(
            state=TrialState.COMPLETE if len(curve) == EPOCHS else TrialState.PRUNED,
            value=max(curve) if len(curve) == EPOCHS else curve[-1],
            params=trial.params,
            distributions=trial.distributions,
            intermediate_values=dict(enumerate(curve)),
        )


def _earlier(space: Space, studies: int, seed: int) -> Sequence[PriorStudy]:
    return [
        PriorStudy(
            name=f"earlier-{number}",
            trials=[
                (trial.params, list(trial.intermediate_values.values()))
                for trial in _finished(space, EARLIER_TRIALS, derive_seed(seed, "earlier", number))
            ],
        )
        for number in range(studies)
    ]
