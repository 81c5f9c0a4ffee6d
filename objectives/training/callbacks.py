"""Callbacks of a training run: they see its progress, and keep its state so that another process can resume it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from objectives.diagnosis.records import NetworkRecord


class TrainingCallback(Protocol):
    """What the training loop calls while it runs."""

    def beat(self) -> None:
        """Take note that a batch of training, validation or pretraining is done.

        Raises:
            StopTraining: training must stop now; the loop passes its state to `keep` first, unless it is pretraining.
        """

    def load_state(self) -> bytes | None:
        """Return what `keep` was given in an earlier run of this training, or None to start from the beginning."""

    def report_refused(self, reason: str) -> None:
        """Take note that the loaded state cannot be used and training starts from the beginning."""

    def note_engine(self, description: str) -> None:
        """Take note of how steps run on a GPU: `graph`, or `eager: ` and the reason."""

    def note_parameters(self, count: int) -> None:
        """Take note of how many parameters the network has."""

    def wants_layers(self) -> bool:
        """Return whether the network's layers are to be measured."""

    def note_layers(self, epoch: int, record: NetworkRecord) -> None:
        """Take note of the network at the start of a 0-based epoch, after the epoch's first step."""

    def note_confusion(self, epoch: int, counts: Sequence[Sequence[int]]) -> None:
        """Take note of the best epoch so far, 0-based and reported: its validation images by class (row) and the class
        that they were taken for (column)."""

    def due(self) -> bool:
        """Return whether to keep a state at the end of this epoch."""

    def keep(self, epoch: int, state: bytes) -> None:
        """Keep the state; `epoch` is the 0-based epoch that it resumes in."""


class NullCallback:
    """A callback that does nothing."""

    def beat(self) -> None:
        """Do nothing."""

    def load_state(self) -> bytes | None:
        """Return None."""
        return None

    def report_refused(self, reason: str) -> None:
        """Do nothing."""

    def note_engine(self, description: str) -> None:
        """Do nothing."""

    def note_parameters(self, count: int) -> None:
        """Do nothing."""

    def wants_layers(self) -> bool:
        """Return False."""
        return False

    def note_layers(self, epoch: int, record: NetworkRecord) -> None:
        """Do nothing."""

    def note_confusion(self, epoch: int, counts: Sequence[Sequence[int]]) -> None:
        """Do nothing."""

    def due(self) -> bool:
        """Return False."""
        return False

    def keep(self, epoch: int, state: bytes) -> None:
        """Do nothing."""


NULL_CALLBACK = NullCallback()
