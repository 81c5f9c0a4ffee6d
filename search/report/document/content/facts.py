"""Everything that is stored about a study, read once: what all sections of a report are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from optuna.trial import FrozenTrial, TrialState

from search.evaluation.results.confirmation import Confirmation
from search.report.plots.data import PlotData, ReportedEpoch
from search.study.spec import StudySpec
from search.study.status_types import Status
from storage.history.confusions import Confusion


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """A study at one moment."""

    uuid: str
    spec: StudySpec
    status: Status
    trials: Sequence[FrozenTrial]
    """Every trial, by number."""
    reported: Mapping[int, Sequence[ReportedEpoch]]
    """When each epoch was reported, of each trial that has any, by its number."""
    confirmation: Confirmation | None
    """Of the study's last claim of its test set; None if its winner was simply the best trial, or there is none."""

    trial: int | None = None
    """The best trial, whose confusion matrix is reported; None if none has completed."""
    confusion: Confusion | None = None
    """Its matrix; None if it has none."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.status.study

    @cached_property
    def completed(self) -> list[FrozenTrial]:
        """The trials whose value is that of a whole training."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    @property
    def plot_data(self) -> PlotData:
        """The study as plots read it."""
        return PlotData(
            name=self.name,
            trials=self.trials,
            epochs=self.spec.epochs,
            reported=self.reported,
            trial=self.trial,
            confusion=self.confusion,
        )
