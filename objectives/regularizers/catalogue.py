"""Regularizers and other single values; a new one is one entry of REGULARIZERS, whose field a configuration has.

An entry has the name of its field in the network's or the training's configuration, which switches it on by any value
except zero, False and None. Its space has that field and, Fixed, the fields that go with it:
`Space(**REGULARIZERS["dropout"].space.domains, ...)` adds all of them to a study.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from objectives.base.errors import ObjectiveError
from objectives.base.technique import Technique, forbids, needs
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Float, Int, Space, find_broken_limit, standard

_PENALTY = Float(1e-7, 1e-3, log=True, at_least=0.0, at_most=10.0)

REGULARIZERS: dict[str, Technique] = {
    "dropout": Technique(
        description="hidden units dropped at random during training, and inputs if asked for (Srivastava et al. 2014)",
        space=Space(
            dropout=standard.dropout(),
            dropout_layers=Fixed(0, domain=Int(0, 3, at_least=0, at_most=64)),
            input_dropout=Fixed(0.0, domain=standard.dropout(0.0, 0.3)),
        ),
    ),
    "alpha_dropout": Technique(
        description="dropout that keeps SELU's mean and variance (Klambauer et al. 2017)",
        space=Space(alpha_dropout=standard.dropout(0.0, 0.2)),
        conditions=(needs("model", "mlp"), needs("activation", "selu")),
    ),
    "max_norm": Technique(
        description="each unit's incoming weights scaled down to an l2 norm of at most this (Srebro et al. 2005)",
        space=Space(max_norm=Float(0.5, 4.0, log=True, at_least=0.0, at_most=1e6)),
    ),
    "l1": Technique(
        description="a loss term, l1 times the sum of |w| over all weights (Tibshirani 1996)",
        space=Space(l1=_PENALTY),
    ),
    "l2": Technique(
        description="a loss term, l2 times the sum of w^2 over all weights (Krogh & Hertz 1992)",
        space=Space(l2=_PENALTY),
    ),
    "weight_decay": Technique(
        description="weights shrunk in each step, independently of the loss (Loshchilov & Hutter 2019)",
        space=Space(weight_decay=standard.weight_decay()),
        conditions=(needs("optimizer", *(name for name, entry in OPTIMIZERS.items() if entry.decays_weights)),),
    ),
    "early_stopping": Technique(
        description="training ends after this many epochs without a better validation accuracy (Prechelt 1998)",
        space=Space(early_stopping=Int(3, 10, at_least=0, at_most=1000)),
        conditions=(needs("validation", True),),
    ),
    "label_smoothing": Technique(
        description="this fraction of the target spread over all classes (Szegedy et al. 2016)",
        space=Space(label_smoothing=Float(0.0, 0.2, at_least=0.0, at_most=standard.BELOW_ONE)),
    ),
    "flip": Technique(
        description="half of the images mirrored left to right",
        space=Space(flip=Categorical(False, True)),
    ),
    "alternating_flip": Technique(
        description="each image mirrored in every second epoch, so that two epochs show it both ways (Jordan 2024)",
        space=Space(alternating_flip=Categorical(False, True)),
        conditions=(forbids("flip", True),),
    ),
    "crop": Technique(
        description="images moved by up to this many pixels, black or their mirror filling the gap (He et al. 2015)",
        space=Space(
            crop=Int(1, 4, at_least=0, at_most=64),
            crop_padding=Fixed("zeros", domain=Categorical("zeros", "reflect"), implied=True),
        ),
    ),
    "brightness": Technique(
        description="each image's pixels times a factor of 1 plus or minus up to this (Howard 2013)",
        space=Space(brightness=Float(0.0, 0.4, at_least=0.0, at_most=1.0)),
    ),
    "contrast": Technique(
        description="each image's differences from its mean gray times a factor of 1 plus or minus this (Howard 2013)",
        space=Space(contrast=Float(0.0, 0.4, at_least=0.0, at_most=1.0)),
    ),
    "cutout": Technique(
        description="a square with sides of this many pixels blanked in each image (DeVries & Taylor 2017)",
        space=Space(cutout=Int(4, 16, at_least=0, at_most=512)),
    ),
    "output_scale": Technique(
        description="factor of the output layer's initial weights, for an initial loss near ln(classes)",
        space=Space(output_scale=Fixed(0.1, domain=Float(0.1, 1.0, log=True, at_least=1e-6, at_most=100.0))),
    ),
    "input_norm": Technique(
        description="batch norm or layer norm on the inputs, which then need no other scaling (Ioffe & Szegedy 2015)",
        space=Space(input_norm=Categorical(None, "batch_norm", "layer_norm")),
    ),
    "whitening": Technique(
        description="a frozen first layer that whitens patches of 2x2 or 3x3, from training images (Jordan 2024)",
        space=Space(whitening=Categorical(0, 2, 3)),
        conditions=(needs("model", "cnn", "resnet"), needs("input_norm", None)),
    ),
    "warmup_epochs": Technique(
        description="the learning rate raised linearly before the schedule starts (Goyal et al. 2017)",
        space=Space(
            warmup_epochs=Int(1, 3, at_least=0, at_most=1000),
            warmup_start=Fixed(0.1, domain=Float(0.01, 0.5, log=True, at_least=1e-6, at_most=1.0)),
        ),
    ),
    "bias_rate": Technique(
        description="the learning rate of biases and norms as a multiple of that of the weights (Page 2018)",
        space=Space(bias_rate=Float(1.0, 16.0, log=True, at_least=1e-3, at_most=1e3)),
    ),
    "lookahead": Technique(
        description="every `lookahead` steps, weights are pulled half of the way back (Zhang et al. 2019)",
        space=Space(
            lookahead=Int(5, 10, at_least=0, at_most=10000),
            lookahead_share=Fixed(0.5, domain=Float(0.2, 0.8, at_least=0.01, at_most=1.0)),
        ),
    ),
    "swa": Technique(
        description="weights averaged over the dips of the schedule (Izmailov et al. 2018)",
        space=Space(swa=Categorical(False, True)),
        conditions=(needs("schedule", *(name for name, entry in SCHEDULES.items() if entry.dips)),),
    ),
}


def check_fields(config: Any) -> None:
    """Raise `ObjectiveError` if a field that is in a registered space is beyond its limits.

    The message names the field, the rule and the value.
    """
    limits = {name: domain for entry in REGULARIZERS.values() for name, domain in entry.space.domains.items()}
    for field in fields(config):
        value = getattr(config, field.name)
        rule = find_broken_limit(limits[field.name], value) if field.name in limits and value is not None else None
        if rule is not None:
            raise ObjectiveError(f"{field.name} {rule}, but got {value!r}")
