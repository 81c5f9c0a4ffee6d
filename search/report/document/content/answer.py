"""The answer: the best configuration, what to expect of it, and its test score if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial

from search.evaluation.results.confirmation import Confirmation
from search.evaluation.results.score import Score
from search.report.document.content.facts import StudyFacts
from search.report.document.content.optimism import (
    count_examples,
    estimate_optimism,
    measure_sampling,
    measure_seeds,
)
from search.statistics.intervals import wilson_interval
from search.strategies.repeated.configurations import Repeated, rank_configurations
from search.study.outline import describe_best
from search.study.status_types import BestTrial

Method = Literal["fresh seeds", "repeats", "binomial"]
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the best configuration is expected to reach on images like the validation images."""

    best_value: float
    """The highest validation accuracy of the search."""
    candidates: int
    """The completed configurations that it is the highest of."""
    examples: int | None
    """The validation images, as the stored accuracies tell; None if they do not."""
    method: Method | None
    """Where the optimism comes from; None if nothing stored tells."""
    trial: int
    """The trial whose configuration the estimate is for: the best one, or the one that a confirmation chose."""
    optimism: float | None
    """By how much the best value is too high because it was chosen for being the highest."""
    value: float | None
    """The best value less the optimism."""
    interval_95: tuple[float, float] | None
    """For `value`: of the mean over fresh seeds, or Wilson's, for the number of images."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study was run for."""

    best: tuple[BestTrial, ...]
    """The best completed trials, the best one first; empty if none has completed."""
    estimate: Estimate | None
    """None if no trial has completed."""
    test: Score | None
    """The score in the ledger; None before the final step."""


def build_answer(facts: StudyFacts) -> Answer:
    """Return the study's answer; nothing is scored for it."""
    ranked = rank_configurations(facts.trials)
    confirmation = _find_confirmation(facts)
    return Answer(
        best=tuple(describe_best(group, group.first) for group in ranked[:SHOWN]),
        estimate=_estimate(facts, ranked, confirmation) if ranked else None,
        test=facts.status.final,
    )


def _find_confirmation(facts: StudyFacts) -> Confirmation | None:
    final = facts.status.final
    return facts.confirmation if final is None or final.confirmation is None else final.confirmation


def _estimate(facts: StudyFacts, ranked: list[Repeated[FrozenTrial]], confirmation: Confirmation | None) -> Estimate:
    values = [group.mean or 0.0 for group in ranked]
    examples = count_examples(
        value for trial in facts.completed for value in (trial.value, *trial.intermediate_values.values()) if value
    )
    if confirmation is not None:
        return _build_measured(confirmation, len(values), examples)
    noise = measure_seeds(ranked, 1 / examples if examples else 0.0)
    method: Method | None = "repeats" if noise is not None else "binomial" if examples else None
    if noise is not None:
        optimism: float | None = estimate_optimism(values, [noise] * len(values))
    elif examples:
        optimism = estimate_optimism(values, [measure_sampling(value, examples) for value in values])
    else:
        optimism = None
    expected = None if optimism is None else max(0.0, values[0] - optimism)
    interval = None
    if expected is not None and examples:
        interval = wilson_interval(round(expected * examples), examples)
    return Estimate(
        best_value=values[0],
        candidates=len(values),
        examples=examples,
        method=method,
        trial=ranked[0].first.number,
        optimism=optimism,
        value=expected,
        interval_95=interval,
    )


def _build_measured(confirmation: Confirmation, candidates: int, examples: int | None) -> Estimate:
    measured = confirmation.optimism
    low, high = measured.interval_95
    return Estimate(
        best_value=measured.best_value,
        candidates=candidates,
        examples=examples,
        method="fresh seeds",
        trial=confirmation.chosen,
        optimism=measured.value,
        value=measured.fresh_mean,
        interval_95=(measured.best_value - high, measured.best_value - low),
    )
