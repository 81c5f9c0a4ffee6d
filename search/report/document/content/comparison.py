"""Several studies side by side: what each had found after as many epochs as the others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.report.document.content.facts import StudyFacts
from search.report.document.content.study_report import convert
from search.report.plots.data import trace_epochs, trace_rises
from search.study.status_types import TrialCounts
from spaces import Scalar
from spaces.space import diff_descriptions


@dataclass(frozen=True, kw_only=True)
class ComparedStudy:
    """One of the studies."""

    study: str
    objective: str
    dataset: str
    policy: str
    seed: int
    states: TrialCounts
    epochs: int
    """Of a full training."""
    epochs_trained: int
    """By the trials that have ended."""
    best_trial: int | None
    best_value: float | None
    """With repeats, the mean of the best configuration."""
    best_params: Mapping[str, Scalar]
    at_common: float | None
    """The best completed trial's value within the epochs that every study has trained; None if none was complete."""
    best_so_far: tuple[tuple[int, float], ...]
    """Epochs trained and the best completed trial's value from there on, whenever it rose."""
    test_accuracy: float | None
    test_interval_95: tuple[float, float] | None
    space_differences: tuple[str, ...]
    """From the first study's space to this one's, a line for each parameter."""
    warnings: tuple[str, ...]
    """What makes its values not comparable with the first study's."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Studies side by side."""

    common_epochs: int
    """What every one of them has trained."""
    studies: tuple[ComparedStudy, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `search report --compare ... --format json`."""
        return dict(convert(self))


def compare_studies(all_facts: Sequence[StudyFacts]) -> Comparison:
    """Return studies side by side, in the order given; the first one is what the others' spaces are compared with."""
    trained = [trace_epochs(facts.trials)[-1:] for facts in all_facts]
    common = min(ended[0][0] if ended else 0 for ended in trained)
    return Comparison(
        common_epochs=common, studies=tuple(_describe(facts, all_facts[0], common) for facts in all_facts)
    )


def _describe(facts: StudyFacts, first: StudyFacts, common: int) -> ComparedStudy:
    best, final = facts.status.best, facts.status.final
    rises, ended = trace_rises(facts.trials), trace_epochs(facts.trials)
    within = bisect_right([epochs for epochs, _ in rises], common)
    return ComparedStudy(
        study=facts.name,
        objective=facts.spec.objective,
        dataset=facts.spec.dataset,
        policy=facts.status.policies[-1].policy,
        seed=int(facts.spec.seed),
        states=facts.status.states,
        epochs=facts.spec.epochs,
        epochs_trained=ended[-1][0] if ended else 0,
        best_trial=None if best is None else best.trial,
        best_value=None if best is None else best.value,
        best_params={} if best is None else dict(best.params),
        at_common=rises[within - 1][1] if within else None,
        best_so_far=tuple(rises),
        test_accuracy=None if final is None else final.test_accuracy,
        test_interval_95=None if final is None else final.test_interval_95,
        space_differences=tuple(
            diff_descriptions(first.spec.read_space().describe(), facts.spec.read_space().describe())
        ),
        warnings=tuple(_warn(facts, first)),
    )


def _warn(facts: StudyFacts, first: StudyFacts) -> list[str]:
    spec, other = facts.spec, first.spec
    found = []
    if (spec.dataset, spec.data_fingerprint) != (other.dataset, other.data_fingerprint):
        found.append(f"its images are not those of {first.name}: the values cannot be compared")
    elif spec.split_fingerprint != other.split_fingerprint:
        found.append(f"its validation images are not those of {first.name}: small differences may come from that")
    if spec.epochs != other.epochs:
        found.append(f"a full training has {spec.epochs} epochs, not {other.epochs}")
    return found
