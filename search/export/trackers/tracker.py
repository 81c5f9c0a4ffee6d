"""What a tracker is: the callback through which a study is followed in another program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from search.export.trackers.outcome import Outcome
from search.study.status_types import Status
from search.study.trials import Trial
from spaces import Scalar

ALL_EPOCHS = 2**31 - 1
"""What a tracker returns as the first missing epoch of a trial that it has to its end."""


@dataclass(frozen=True, kw_only=True)
class TrackedStudy:
    """A study as trackers get it, at the start and at the end of a run."""

    uuid: str
    """What identifies the study for ever, whatever its name becomes."""
    status: Status
    """Its name, objective, budget, counts, best trial, ..."""
    settings: Mapping[str, Scalar]
    """What it was created with: data set, epochs of a full training, seed, sampler, pruner, versions."""
    outcome: Outcome | None = None
    """How the run ended; None at its start."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.status.study


class Tracker(Protocol):
    """Follows a study; a subclass overrides what it needs.

    The methods of one tracker are called one after another, in one thread or process, away from training. An exception
    ends the tracker with a warning, and nothing else.
    """

    def study_started(self, study: TrackedStudy) -> Mapping[int, int] | None:
        """Begin or resume the study's run.

        Return the first epoch that is still missing of each trial that the tracker has, by the trial's number: the rest
        is sent, whenever it was trained. None for news only: trials that had ended before are left out, and epochs that
        were stored before.
        """
        return None

    def trial_started(self, trial: Trial) -> None:
        """Begin or resume the run of a trial; once in each run of the study."""

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch, counted from 0: `accuracy`, `loss`, `learning_rate`, `seconds`, ..."""

    def trial_ended(self, trial: Trial) -> None:
        """End the run of a trial, after its last epoch; again at a later run if `study_started` returned a mapping."""

    def study_ended(self, study: TrackedStudy) -> None:
        """End the run of the study: its `outcome` is set, and trials that have not ended may be resumed."""
