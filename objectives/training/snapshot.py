"""The state of a training run as bytes, written when it is interrupted and read by the process that resumes it.

It does not contain what follows from the configuration, the seed and the epoch: the order of the examples, their
augmentation, the learning rates.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from objectives.base.errors import UnusableState, first_line
from objectives.optimizers.execution import load_optimizer_state
from objectives.schedules.rates import Rates
from objectives.training.best_weights import BestWeights
from objectives.training.confusion import ConfusionCounts
from objectives.training.random_states import get_random_states, set_random_states

FORMAT_VERSION = 1


@dataclass(kw_only=True)
class Position:
    """How far a training run has come."""

    epoch: int
    """The current epoch, 0-based."""
    batches: int = 0
    """How many of its batches are done."""
    loss: Tensor
    """The sum of their losses, a scalar."""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Everything in a training run that changes while it trains."""

    model: nn.Module
    optimizer: Optimizer
    rates: Rates
    best_weights: BestWeights
    confusion: ConfusionCounts
    device: torch.device

    def start_epoch(self, epoch: int) -> Position:
        """Return the position at the beginning of an epoch."""
        return Position(epoch=epoch, loss=torch.zeros((), device=self.device))

    def pack(self, position: Position) -> bytes:
        """Return the run's state as bytes; the keys are part of the format."""
        content = {
            "form": FORMAT_VERSION,
            "epoch": position.epoch,
            "batches": position.batches,
            "loss": position.loss,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rates": self.rates.state(),
            "keeper": self.best_weights.state(),
            "confusion": self.confusion.state(),
            "random": get_random_states(self.device),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def restore(self, packed: bytes) -> Position:
        """Restore the run that was packed and return its position.

        Only data are read: content that would run code on loading is refused. After an error, this run must not be
        used any more.

        Raises:
            UnusableState: the state is damaged, or belongs to another network, optimizer or format.
        """
        try:
            content = torch.load(io.BytesIO(packed), map_location="cpu", weights_only=True)
            if content["form"] != FORMAT_VERSION:
                raise UnusableState(f"its format is {content['form']!r}, but this program reads {FORMAT_VERSION}")
            self.model.load_state_dict(content["model"])
            load_optimizer_state(self.optimizer, content["optimizer"])
            self.rates.restore(content["rates"])
            self.best_weights.restore(content["keeper"])
            self.confusion.restore(content.get("confusion"))  # an older program's state has none
            set_random_states(content["random"], self.device)
            loss = content["loss"].to(self.device)
            return Position(epoch=int(content["epoch"]), batches=int(content["batches"]), loss=loss)
        except UnusableState:
            raise
        except Exception as error:  # torch and pickle raise many types for content of another origin
            raise UnusableState(f"{type(error).__name__}: {first_line(error)}"[:300]) from error
