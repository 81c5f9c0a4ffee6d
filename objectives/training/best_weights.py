"""The weights that a training run ends with: the best epoch's, an average, or the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from objectives.data.batches.examples import TrainValidation
from objectives.models.weights import copy_state
from objectives.training.config import TrainingConfig


class BestWeights:
    """The best weights of a model so far; also averages weights over dips and counts early stopping's patience."""

    def __init__(self, model: nn.Module, config: TrainingConfig, data: TrainValidation) -> None:
        self._model = model
        self._data = data
        self._batch_size = config.batch_size
        self._patience = config.early_stopping
        self._averaged: AveragedModel | None = None
        self._dipped = False
        self._best = -1.0
        self._waited = 0
        self._kept: dict[str, Any] | None = None

    def average(self) -> None:
        """Add the model's current weights to the average (Izmailov et al. 2018); called at a dip."""
        if self._averaged is None:
            self._averaged = AveragedModel(self._model)
        self._averaged.update_parameters(self._model)
        self._dipped = True

    def prepare_model(self) -> nn.Module:
        """Return the network to measure this epoch's value on: the average so far if the epoch had a dip.

        Averaged weights have no batch norm statistics, so these are computed from the training examples.
        """
        if self._dipped and self._averaged is not None:
            with torch.no_grad():
                batches = self._data.train.batches(max(2, self._batch_size), order_seed=None, drop_last=True)
                update_bn(batches, self._averaged)
        return self._valued_model

    def keep(self, accuracy: float) -> bool:
        """Take note of the accuracy of this epoch's model, and keep its weights if training would end with them.

        Returns:
            Whether it is the best epoch so far; of equals, the first one is.
        """
        is_best = accuracy > self._best
        self._waited = 0 if is_best else self._waited + 1
        if self._data.merged or is_best:
            self._kept = copy_state(self._valued_model)
        self._best = max(self._best, accuracy)
        self._dipped = False
        return is_best

    @property
    def _valued_model(self) -> nn.Module:
        """The average if this epoch had a dip, else the model."""
        return self._averaged.module if self._dipped and self._averaged is not None else self._model

    @property
    def is_patience_over(self) -> bool:
        """Whether early stopping ends the training; always False if the validation examples are trained on."""
        return 0 < self._patience <= self._waited and not self._data.merged

    def load_final_weights(self) -> None:
        """Load the weights that training ends with into the model."""
        if self._kept is not None:
            self._model.load_state_dict(self._kept)

    def state(self) -> dict[str, Any]:
        """Return what has been seen and kept, as tensors and plain values for a checkpoint."""
        return {
            "best": self._best,
            "waited": self._waited,
            "dipped": self._dipped,
            "kept": self._kept,
            "averaged": None if self._averaged is None else self._averaged.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._best, self._waited, self._dipped = state["best"], state["waited"], state["dipped"]
        self._kept = state["kept"]
        if state["averaged"] is not None:
            self._averaged = AveragedModel(self._model)
            self._averaged.load_state_dict(state["averaged"])
