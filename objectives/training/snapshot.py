"""A training run at one moment, as bytes: written when it is left, read by whoever goes on with it.

What follows from the configuration, the seed and the epoch alone (the order of the examples, their augmentation,
the learning rates) is not in it.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from objectives.base.errors import UnusableState, first_line
from objectives.schedules.rates import Rates
from objectives.training.best_weights import BestWeights

FORMAT_VERSION = 1


@dataclass(kw_only=True)
class Position:
    """How far a training run is."""

    epoch: int
    """The 0-based epoch that it is in."""
    batches: int = 0
    """How many of the epoch's batches are done."""
    loss: Tensor
    """The sum of their losses, a scalar."""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Everything in a training run that changes as it goes on."""

    model: nn.Module
    optimizer: Optimizer
    rates: Rates
    best_weights: BestWeights
    device: torch.device

    def start(self, epoch: int) -> Position:
        """The beginning of an epoch."""
        return Position(epoch=epoch, loss=torch.zeros((), device=self.device))

    def pack(self, place: Position) -> bytes:
        """The run as it is now, at this place."""
        content = {
            "form": FORMAT_VERSION,
            "epoch": place.epoch,
            "batches": place.batches,
            "loss": place.loss,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rates": self.rates.state(),
            "keeper": self.best_weights.state(),
            "random": _random_states(self.device),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def restore(self, packed: bytes) -> Position:
        """Make this run the one that was packed, and return its place.

        Only data are read: what would run code on loading is refused. A run that raised is of no further use.

        Raises:
            UnusableState: damaged, or of another network, optimizer or form.
        """
        try:
            content = torch.load(io.BytesIO(packed), map_location="cpu", weights_only=True)
            if content["form"] != FORMAT_VERSION:
                raise UnusableState(f"its form is {content['form']!r}, this program reads form {FORMAT_VERSION}")
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.rates.restore(content["rates"])
            self.best_weights.restore(content["keeper"])
            _set_random_states(content["random"], self.device)
            loss = content["loss"].to(self.device)
            return Position(epoch=int(content["epoch"]), batches=int(content["batches"]), loss=loss)
        except UnusableState:
            raise
        except Exception as error:  # torch and pickle raise a dozen kinds for what is not theirs
            raise UnusableState(f"{type(error).__name__}: {first_line(error)}"[:300]) from error


def _random_states(device: torch.device) -> dict[str, Any]:
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    mersenne = numpy_state["state"]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": {"key": mersenne["key"].tolist(), "pos": mersenne["pos"]}},
    }


def _set_random_states(states: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(states["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
