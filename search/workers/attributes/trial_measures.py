"""What people look for trials by, measured where one was trained: its place, speed, size, energy, and best epoch."""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from objectives.models.weights import PackedNetwork, count_parameters
from search.statistics.curves import find_best_epoch
from search.workers.machine.energy import METRIC, EnergyMeter, add_up
from storage.history.confusions import Confusion

DIGITS = 4


class TrialMeasures:
    """Collects them while a trial trains. Its last holder's are stored at the trial's end, with all holders' energy."""

    def __init__(
        self,
        device: torch.device,
        name: str,
        uuids: Sequence[str] = (),
        classes: tuple[str, ...] = (),
        energy: EnergyMeter | None = None,
    ) -> None:
        """Begin with a device.

        Args:
            device: The one that this process trains on.
            name: What people call it, and those of further ranks.
            uuids: Theirs, where they are known.
            classes: The names of the data's classes.
            energy: Measures what they take; None to measure nothing.
        """
        self._device = device
        self._name = name
        self._uuids = uuids
        self._classes = classes
        self.energy = energy or EnergyMeter()
        """Measures the training."""
        self._peak: int | None = None
        self._parameters: int | None = None
        self._confusion: Confusion | None = None

    def note_parameters(self, count: int) -> None:
        """Take note of how many parameters the network has."""
        self._parameters = count

    def note_network(self, network: nn.Module | PackedNetwork) -> None:
        """Take note of a trained network, whose parameters nobody may have counted before."""
        self._parameters = network.parameters if isinstance(network, PackedNetwork) else count_parameters(network)

    def note_peak(self, peak_bytes: int | None) -> None:
        """Take note of the memory that another process has seen in use on its GPU."""
        self._peak = peak_bytes

    def note_confusion(self, epoch: int, counts: Sequence[Sequence[int]]) -> None:
        """Take note of which classes the network took for which in the best epoch so far."""
        self._confusion = Confusion(epoch=epoch, classes=self._classes, counts=tuple(map(tuple, counts)))

    def find_confusion(self, values: Mapping[int, float]) -> Confusion | None:
        """Return the matrix of the epoch that a trial's value is of; None if it is not known.

        It is not if the checkpoint in which that epoch lay is lost, and another kind of machine got to other numbers.

        values: as for `collect`.
        """
        found, best = self._confusion, find_best_epoch(values)
        is_of_value = found is not None and found.epoch == best and found.accuracy == values[found.epoch]
        return found if is_of_value else None

    def complete_epoch(self, metrics: Mapping[str, float], *, is_new: bool) -> dict[str, float]:
        """Return the finite metrics of an epoch, with its energy unless they have it.

        is_new: whether they will be stored; otherwise another holder's are, and the energy is the next epoch's.
        """
        energy = self.energy.take() if is_new else {}
        return {name: value for name, value in {**energy, **metrics}.items() if math.isfinite(value)}

    def collect(
        self,
        values: Mapping[int, float],
        trained: Mapping[int, Mapping[str, float]],
        earlier: Mapping[int, Mapping[str, float]] | None = None,
        interrupted_wh: float | None = None,
    ) -> dict[str, object]:
        """Return the attributes that can be told.

        Args:
            values: The validation accuracy of each epoch of the trial, by its 0-based number.
            trained: The metrics of the epochs that this process trained.
            earlier: The metrics of the stored epochs, if other holders trained some.
            interrupted_wh: The energy that other holders took without ending an epoch.
        """
        seconds = [metrics["seconds"] for metrics in trained.values() if "seconds" in metrics]
        told = {
            "host": socket.gethostname(),
            "device": self._name,
            "gpu": ", ".join(self._uuids) or None,
            "epoch_seconds": float(f"{sum(seconds) / len(seconds):.{DIGITS}g}") if seconds else None,
            "parameters": self._parameters,
            "peak_bytes": self._read_peak(),
            "best_epoch": find_best_epoch(values),
            METRIC: add_up({**trained, **(earlier or {})}, self.energy.rest_wh, interrupted_wh),
        }
        return {name: value for name, value in told.items() if value is not None}

    def _read_peak(self) -> int | None:
        """Return the most bytes that the trial's tensors have had on a GPU at once; None on a CPU."""
        if self._peak is not None or self._device.type != "cuda":
            return self._peak
        try:
            return int(torch.cuda.max_memory_allocated(self._device))
        except RuntimeError:  # a GPU that is broken
            return None
