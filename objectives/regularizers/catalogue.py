"""Regularizers and other single numbers: one entry is one field of the network's or the training's configuration.

An entry is named as its field, which switches it on by a value that is not zero, False or None. Its space has
the field itself and, Fixed, those that say how: `Space(**REGULARIZERS["dropout"].space.domains, ...)` puts all
of them into a study.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from objectives.base.errors import ObjectiveError
from objectives.base.technique import Technique, needs
from objectives.optimizers.catalogue import OPTIMIZERS
from spaces import Categorical, Fixed, Float, Int, Space, find_broken_limit, standard

_PENALTY = Float(1e-7, 1e-3, log=True, at_least=0.0, at_most=10.0)

REGULARIZERS: dict[str, Technique] = {
    "dropout": Technique(
        description="hidden units dropped at random while training (Srivastava et al. 2014)",
        space=Space(
            dropout=standard.dropout(),
            dropout_layers=Fixed(0, domain=Int(0, 3, at_least=0, at_most=64)),
        ),
    ),
    "alpha_dropout": Technique(
        description="dropout that keeps SELU's mean and variance (Klambauer et al. 2017)",
        space=Space(alpha_dropout=standard.dropout(0.0, 0.2)),
        conditions=(needs("model", "mlp"), needs("activation", "selu")),
    ),
    "max_norm": Technique(
        description="each unit's incoming weights rescaled to an l2 norm of at most r (Srebro et al. 2005)",
        space=Space(max_norm=Float(0.5, 4.0, log=True, at_least=0.0, at_most=1e6)),
    ),
    "l1": Technique(
        description="a loss term of l1 times the sum of |w| over weights (Tibshirani 1996)",
        space=Space(l1=_PENALTY),
    ),
    "l2": Technique(
        description="a loss term of l2 times the sum of w^2 over weights (Krogh & Hertz 1992)",
        space=Space(l2=_PENALTY),
    ),
    "weight_decay": Technique(
        description="weights shrunk in each step, apart from the loss (Loshchilov & Hutter 2019)",
        space=Space(weight_decay=standard.weight_decay()),
        conditions=(needs("optimizer", *(name for name, entry in OPTIMIZERS.items() if entry.decays_weights)),),
    ),
    "early_stopping": Technique(
        description="an end after so many epochs without a better validation accuracy (Prechelt 1998)",
        space=Space(early_stopping=Int(3, 10, at_least=0, at_most=1000)),
        conditions=(needs("validation", True),),
    ),
    "label_smoothing": Technique(
        description="a share of the target spread over all classes (Szegedy et al. 2016)",
        space=Space(label_smoothing=Float(0.0, 0.2, at_least=0.0, at_most=standard.BELOW_ONE)),
    ),
    "flip": Technique(
        description="half of the images mirrored left to right",
        space=Space(flip=Categorical(False, True)),
    ),
    "crop": Technique(
        description="images moved by up to so many pixels, black coming in (He et al. 2015)",
        space=Space(crop=Int(1, 4, at_least=0, at_most=64)),
    ),
    "cutout": Technique(
        description="a square of so many pixels wiped out in each image (DeVries & Taylor 2017)",
        space=Space(cutout=Int(4, 16, at_least=0, at_most=512)),
    ),
    "output_scale": Technique(
        description="the output layer's first weights scaled down, for a first loss near ln(classes)",
        space=Space(output_scale=Fixed(0.1, domain=Float(0.1, 1.0, log=True, at_least=1e-6, at_most=100.0))),
    ),
    "warmup_epochs": Technique(
        description="the learning rate raised linearly before any schedule (Goyal et al. 2017)",
        space=Space(
            warmup_epochs=Int(1, 3, at_least=0, at_most=1000),
            warmup_start=Fixed(0.1, domain=Float(0.01, 0.5, log=True, at_least=1e-6, at_most=1.0)),
        ),
    ),
    "swa": Technique(
        description="weights averaged over the dips of the schedule (Izmailov et al. 2018)",
        space=Space(swa=Categorical(False, True)),
        conditions=(needs("schedule", "cosine", "cosine_dips", "cosine_restarts"),),
    ),
}


def check_fields(config: Any) -> None:
    """Check the fields of a configuration that are entries, or go with one, against their limits.

    Raises:
        ObjectiveError: naming the field, the rule and the value.
    """
    limits = {name: domain for entry in REGULARIZERS.values() for name, domain in entry.space.domains.items()}
    for field in fields(config):
        value = getattr(config, field.name)
        rule = find_broken_limit(limits[field.name], value) if field.name in limits and value is not None else None
        if rule is not None:
            raise ObjectiveError(f"{field.name} {rule}, but got {value!r}")
