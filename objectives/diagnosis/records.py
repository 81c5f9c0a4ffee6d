"""What is measured inside a network at the start of an epoch, and its compact form for a storage.

About 70 bytes a layer: 300 bytes for a network of three layers, 1.5 kB for one of twenty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST = 3.4e38
"""What stands for a number that is infinite or undefined: about float32's largest, because JSON has neither."""
DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """One layer with weights and the activation that follows it, on a fixed batch."""

    name: str
    """The module's path within the network."""
    gradient: float | None
    """l2 norm of the loss's gradient by the layer's weights; None while they are frozen."""
    weight: float
    """l2 norm of the weights."""
    update: float | None
    """l2 norm of the change that the epoch's first step made to the weights, as a share of theirs."""
    mean: float
    """Mean of the outputs, after the activation if there is one."""
    deviation: float
    """Their standard deviation."""
    dead: float | None
    """Share of the units that are 0 for every image of the batch, 0 to 1; None unless the activation has a zero part
    without slope."""
    saturated: float | None
    """Share of the outputs that are within 1% of a limit of tanh or sigmoid, 0 to 1; None for other activations."""


@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A network at the start of an epoch."""

    classes: int
    loss: float
    """Mean cross-entropy loss (nats) on the fixed batch, in evaluation mode."""
    layers: tuple[LayerRecord, ...]
    """In the order in which they are used; the output layer is the last."""

    def to_json(self) -> dict[str, Any]:
        """Return the compact form: plain finite numbers of three digits, and a list for each layer."""
        return {
            "classes": self.classes,
            "loss": _shorten(self.loss),
            "layers": [[_shorten(getattr(layer, name)) for name in _FIELDS] for layer in self.layers],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NetworkRecord:
        """Return what `to_json` was called on, to three digits."""
        layers = (LayerRecord(**dict(zip(_FIELDS, row, strict=True))) for row in document["layers"])
        return cls(classes=document["classes"], loss=document["loss"], layers=tuple(layers))


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """An epoch as the diagnosis sees it."""

    epoch: int
    """Counted from 0."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What was reported at its end; empty for an epoch that diverged."""
    network: NetworkRecord | None = None
    """The network at its start; None if that was not measured."""


def build_records(
    metrics: Mapping[int, Mapping[str, float]], layers: Mapping[int, Mapping[str, Any]]
) -> list[EpochRecord]:
    """Return the epochs of a training in order, from metrics and from what `to_json` returned, both by epoch."""
    networks = {epoch: NetworkRecord.from_json(document) for epoch, document in layers.items()}
    return [
        EpochRecord(epoch=epoch, metrics=metrics.get(epoch, {}), network=networks.get(epoch))
        for epoch in sorted({*metrics, *networks})
    ]


_FIELDS = ("name", "gradient", "weight", "update", "mean", "deviation", "dead", "saturated")


def _shorten(value: float | str | None) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    if not abs(value) < LARGEST:  # NaN as well
        return -LARGEST if value < 0 else LARGEST
    return float(f"{value:.{DIGITS}g}")
