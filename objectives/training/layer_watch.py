"""When a network is measured: at the start of an epoch, often enough to see faults and rarely enough to cost little."""

from __future__ import annotations

import math
from contextlib import suppress

import torch
from torch import nn

from objectives.data.batches.examples import TrainValidation
from objectives.training.callbacks import TrainingCallback
from objectives.training.layer_measurement import NetworkMeasurement
from objectives.training.step import Step
from objectives.training.training_part import pick_evenly

IMAGES = 64
"""Images of the batch on which networks are measured: an even choice of all classes."""
STEPS_BETWEEN = 100
"""Fewest training steps between two measurements, each of which costs between a half and two steps."""


class LayerWatch:
    """Measures a network at the start of epochs and tells the callback, which has asked for it."""

    def __init__(self, step: Step, data: TrainValidation, steps: int, callback: TrainingCallback) -> None:
        self._model: nn.Module = step.model
        self._precision = step.precision
        self._max_norm = step.config.max_norm
        self._interval = math.ceil(STEPS_BETWEEN / steps)
        self._callback = callback
        self._measurement: NetworkMeasurement | None = None
        self._wanted = callback.wants_layers()
        if self._wanted:
            few = data.train.choose(pick_evenly(data.train.labels, IMAGES))
            self._x_BCHW, self._y_B = next(few.batches(IMAGES, order_seed=None))

    def start_epoch(self, epoch: int, batches: int) -> None:
        """Measure the network if that is due and none of the epoch's batches are done.

        A measurement that fails is left out: it must not end a training.
        """
        self._measurement = None
        if self._wanted and batches == 0 and epoch % self._interval == 0:
            try:
                self._measurement = NetworkMeasurement(
                    self._model, self._x_BCHW, self._y_B, self._precision, self._max_norm
                )
            except RuntimeError:  # running out of memory is one, too
                return

    def end_batch(self, epoch: int) -> None:
        """Tell of the measurement, once the epoch's first step has shown how far the weights move."""
        measurement, self._measurement = self._measurement, None
        if measurement is not None:
            with suppress(torch.OutOfMemoryError):
                self._callback.note_layers(epoch, measurement.finish())
