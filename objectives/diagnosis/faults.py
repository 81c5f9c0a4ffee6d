"""Naming what goes wrong inside a network: pure functions of what was measured while it trained.

A network that fits its training images has no fault, whatever its layers look like; the others are looked through for
causes first: how the network began, then its learning rate, then what became of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from objectives.base.plurals import count_noun
from objectives.diagnosis.records import EpochRecord, LayerRecord, NetworkRecord

Kind = Literal["vanishing", "exploding", "dead", "saturated", "rate too high", "rate too low"]

LEARNED = 0.5
"""The share of the loss of guessing, ln(classes), that a network without fault has lost by its best epoch. On ten
classes that is a loss below 1.15, which weak networks reach, but none whose lower layers or rate are useless."""
DEAD = 0.9
"""Share of a layer's units. In deep ReLU networks half of the units are 0 for all images at the start, because the
images become alike on the way (Lu et al. 2019), and they learn."""
SATURATED = 0.5
"""Share of a layer's outputs. tanh and sigmoid of standard normal inputs have 2% and none there."""
VANISHED = 1e-3
"""Gradient of a layer as a share of the output layer's: with one rate for all, it learns a thousand times as slowly."""
EXPLODED = 1e3
"""The same for gradients that grow on the way down, as in recurrent networks."""
FAINT = 1e-6
"""Gradient of all layers, in a network that guesses: the signal has nearly vanished before it reaches the output layer,
whose gradient is as large as its inputs."""
EXPLODED_LOSS = 10.0
"""Loss of an untrained network as a multiple of guessing's; initializers for the activation come to between 1 and 2."""
HIGH_UPDATE, SUSPECT_UPDATE = 0.3, 0.1
"""Change of the weights in a step at the highest rate, as a share of them, in half of the layers: nothing of what was
learned lasts. About 0.001 is usual (Karpathy 2015); the first steps of an adaptive optimizer may reach 0.1. Where units
died or saturated after the start, the lower one of the two explains it."""
MANY = 100
RISEN = 2.0
"""Training loss as a multiple of what it was before training, or of guessing."""
LOW_UPDATE = 1e-4
"""The same change in the layer that changes the most: a tenth of what is usual everywhere, at the highest rate."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a network, with its numbers and remedies in a sentence."""

    kind: Kind
    """What kind of fault."""
    epoch: int
    """Of the measurement, counted from 0: the network at its start."""
    layer: str | None
    """The module's path within the network; None for the learning rate."""
    text: str
    """The sentence."""

    def __str__(self) -> str:
        return self.text


def diagnose(records: Sequence[EpochRecord], *, diverged: bool = False) -> list[Fault]:
    """Return the faults of a training that can be told from its epochs, causes before effects; often none.

    records: in the order of their epochs; where the last epoch diverged, it has no metrics.
    """
    measured = [record for record in records if record.network is not None and record.network.layers]
    if not measured or (has_learned(records, measured[0]) and not diverged):
        return []
    first, last = _Measured(measured[0]), _Measured(measured[-1])
    update = estimate_update(measured, records, median)
    if begun := [*first.saturated(), *first.dead(), *first.exploding()][:1] or (first.vanishing() and last.vanishing()):
        return begun
    if found := _find_high_rate(records, first, update, diverged):
        return found
    became = [*last.saturated(), *last.dead(), *last.exploding(), *last.vanishing()][:1]
    if became and update >= SUSPECT_UPDATE:
        return [_describe_high_rate(records, first, update, f"since then, {became[0].text.partition(';')[0]}")]
    return became or _find_low_rate(records, first, estimate_update(measured, records, max))


def has_learned(records: Sequence[EpochRecord], first: EpochRecord) -> bool:
    """Return whether the training images are fitted far better than by guessing in any epoch."""
    return min(_losses(records), default=math.inf) <= (1 - LEARNED) * _guess(first)


def estimate_update(
    measured: Sequence[EpochRecord], records: Sequence[EpochRecord], of_layers: Callable[[list[float]], float]
) -> float:
    """Return the largest change of weights by a step, as if every measured step had had the highest rate of all."""
    rates = [record.metrics.get(name, 0.0) for record in records for name in ("learning_rate", "learning_rate_end")]
    found = 0.0
    for record in measured:
        changes = [layer.update for layer in _network(record).layers if layer.update is not None]
        own = record.metrics.get("learning_rate", 0.0)
        scale = max(rates) / own if own > 0 else 1.0
        found = max(found, scale * of_layers(changes)) if changes else found
    return found


@dataclass(frozen=True)
class _Measured:
    """One measured epoch, and the faults that its layers show."""

    record: EpochRecord

    @property
    def network(self) -> NetworkRecord:
        return _network(self.record)

    def saturated(self) -> list[Fault]:
        layer = max(self.network.layers, key=lambda layer: layer.saturated or 0.0)
        if (layer.saturated or 0.0) < SATURATED:
            return []
        return self._find(
            "saturated",
            layer,
            f"saturated: {layer.saturated:.0%} of the outputs of {self._place(layer)} are at the limits of its "
            "activation, where it has no slope; try glorot_normal, batch_norm, or relu with he_normal",
        )

    def dead(self) -> list[Fault]:
        layer = max(self.network.layers, key=lambda layer: layer.dead or 0.0)
        if (layer.dead or 0.0) < DEAD:
            return []
        return self._find(
            "dead",
            layer,
            f"dead units: {layer.dead:.0%} of the units of {self._place(layer)} are 0 for every image, and so no "
            "longer learn; try he_normal, batch_norm, leaky_relu, or a lower learning rate",
        )

    def exploding(self) -> list[Fault]:
        network, guess = self.network, _guess(self.record)
        output, layer = network.layers[-1], max(network.layers, key=lambda layer: layer.gradient or 0.0)
        if network.loss >= EXPLODED_LOSS * guess and self.record.epoch == 0:
            what = f"the loss is {network.loss:.2g} before training, where guessing has {guess:.2g}"
        elif (layer.gradient or 0.0) >= EXPLODED * (output.gradient or math.inf):
            what = f"it gets {_ratio(layer, output)} times the gradient of the output layer"
        else:
            return []
        return self._find(
            "exploding",
            layer,
            f"exploding gradients: {what}, and {self._place(layer)} has the largest gradient ({layer.gradient:.2g}); "
            "try he_normal or glorot_normal, batch_norm, or clip_norm",
        )

    def vanishing(self) -> list[Fault]:
        output = self.network.layers[-1]
        learning = [layer for layer in self.network.layers if layer.gradient is not None]
        if not learning or not output.weight:
            return []
        layer, largest = (choose(learning, key=lambda layer: layer.gradient or 0.0) for choose in (min, max))
        if (largest.gradient or 0.0) < FAINT:
            what = f"no layer gets a gradient above {FAINT:.0g}, {self._place(largest)} gets {largest.gradient:.1g}"
        elif (layer.gradient or 0.0) <= VANISHED * (output.gradient or 0.0):
            what = f"{self._place(layer)} gets {_ratio(layer, output)} of the gradient of the output layer"
        else:
            return []
        remedy = "try he_normal with relu, batch_norm, a resnet, or fewer layers"
        return self._find("vanishing", layer, f"vanishing gradients: {what}; {remedy}")

    def _place(self, layer: LayerRecord) -> str:
        layers = self.network.layers
        return f"layer {layers.index(layer) + 1} of {len(layers)} ({layer.name})"

    def _find(self, kind: Kind, layer: LayerRecord, text: str) -> list[Fault]:
        return [Fault(kind=kind, epoch=self.record.epoch, layer=layer.name, text=text)]


def _find_high_rate(records: Sequence[EpochRecord], first: _Measured, update: float, diverged: bool) -> list[Fault]:
    before = max(first.network.loss, _guess(first.record))
    # Penalties raise the objective alone, and batch norm with few steps behind it the clean loss alone.
    both = [[record.metrics.get(name, 0.0) for name in ("train_loss", "train_objective")] for record in records]
    peak = max(map(min, both))
    if diverged:
        what = f"the training diverged in epoch {records[-1].epoch + 1}"
    elif peak >= RISEN * before:
        what = f"the training loss rose from {before:.2g} to {peak:.2g}"
    elif update >= HIGH_UPDATE:
        what = f"the training loss has not fallen below {min(_losses(records), default=before):.2g}"
    else:
        return []
    return [_describe_high_rate(records, first, update, what)]


def _describe_high_rate(records: Sequence[EpochRecord], first: _Measured, update: float, what: str) -> Fault:
    size = f"{update:.2g} of" if update < MANY else f"more than {MANY} times"
    text = (
        f"learning rate too high: a step changes the weights by {size} their size (about 0.001 is usual), and {what}; "
        f"try a tenth of the rate{_tell_rate(records, 0.1)}, warm-up, or clip_norm"
    )
    return Fault(kind="rate too high", epoch=first.record.epoch, layer=None, text=text)


def _find_low_rate(records: Sequence[EpochRecord], first: _Measured, update: float) -> list[Fault]:
    losses = _losses(records)
    if not losses or not 0 < update < LOW_UPDATE:
        return []
    text = (
        f"learning rate too low: a step changes no layer's weights by more than {update:.2g} of their size (about "
        f"0.001 is usual), and the training loss went from {first.network.loss:.3g} to {losses[-1]:.3g} in "
        f"{count_noun(len(losses), 'epoch')}; try thirty times the rate{_tell_rate(records, 30)}"
    )
    return [Fault(kind="rate too low", epoch=first.record.epoch, layer=None, text=text)]


def _tell_rate(records: Sequence[EpochRecord], factor: float) -> str:
    rate = max((record.metrics.get("learning_rate", 0.0) for record in records), default=0.0)
    return f" ({rate * factor:.1g})" if rate > 0 else ""


def _losses(records: Sequence[EpochRecord]) -> list[float]:
    return [record.metrics["train_loss"] for record in records if "train_loss" in record.metrics]


def _guess(record: EpochRecord) -> float:
    return math.log(max(2, _network(record).classes))


def _network(record: EpochRecord) -> NetworkRecord:
    assert record.network is not None
    return record.network


def _ratio(layer: LayerRecord, output: LayerRecord) -> str:
    return f"{(layer.gradient or 0.0) / (output.gradient or math.inf):.1g}"
