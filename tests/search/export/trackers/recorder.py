"""A tracker that writes down what it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from search import TrackedStudy, Tracker, Trial


class Recorder(Tracker):
    """Keeps every call; `known` is what it says that it has."""

    def __init__(self, known: Mapping[int, int] | None = None) -> None:
        self.known = known
        self.calls: list[tuple[object, ...]] = []
        self.studies: list[TrackedStudy] = []

    def study_started(self, study: TrackedStudy) -> Mapping[int, int] | None:
        self.studies.append(study)
        return self.known

    def trial_started(self, trial: Trial) -> None:
        self.calls.append(("started", trial.number))

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        self.calls.append(("epoch", trial.number, epoch, metrics["accuracy"]))

    def trial_ended(self, trial: Trial) -> None:
        self.calls.append(("ended", trial.number, trial.state))

    def study_ended(self, study: TrackedStudy) -> None:
        self.studies.append(study)

    @property
    def epochs(self) -> Counter[tuple[object, ...]]:
        """How often each epoch was told, by trial and epoch."""
        return Counter(call[1:3] for call in self.calls if call[0] == "epoch")
