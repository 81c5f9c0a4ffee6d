"""Who follows a training from outside: hears that it goes on, and keeps its state for whoever goes on with it."""

from __future__ import annotations

from typing import Protocol


class TrainingCallback(Protocol):
    """What the training loop tells, and asks."""

    def beat(self) -> None:
        """A batch is done, of training, validation or pretraining.

        Raises:
            Leave: the training is to be left; its state is handed to `keep` first where it can be gone on from.
        """

    def state(self) -> bytes | None:
        """What `keep` was given by an earlier run of this training; None to begin at the beginning."""

    def refused(self, reason: str) -> None:
        """That state cannot be gone on from: the training begins at the beginning."""

    def due(self) -> bool:
        """Whether a state is wanted at the end of this epoch."""

    def keep(self, epoch: int, state: bytes) -> None:
        """Keep the state; `epoch` is the 0-based one that it goes on with."""


class NullCallback:
    """Nobody follows."""

    def beat(self) -> None:
        """Nobody hears it."""

    def state(self) -> bytes | None:
        """There is none."""
        return None

    def refused(self, reason: str) -> None:
        """There was none."""

    def due(self) -> bool:
        """Never."""
        return False

    def keep(self, epoch: int, state: bytes) -> None:
        """Nobody wants it."""
