"""The families of networks whose learning curves are tabulated, all on scikit-learn's digits; a new one is one entry.

More than half of the images validate: accuracies in steps of a thousandth, and tasks that are not too easy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.clipping import CLIPPINGS
from spaces import Categorical, Fixed, Int, Space, standard

EPOCHS = 20
VALIDATION_FRACTION = 0.7


@dataclass(frozen=True, kw_only=True)
class Family:
    """An objective and what is trained of it: every combination of the levels and of the choices of its space."""

    objective: Objective
    levels: Mapping[str, Sequence[float]]
    """Of each parameter that is a number, under its full name."""


def _family(model: str, space: Space, levels: Mapping[str, Sequence[float]]) -> Family:
    objective = Objective(
        data="digits", model=model, epochs=EPOCHS, validation_fraction=VALIDATION_FRACTION, space=space
    )
    return Family(objective=objective, levels=levels)


# 1,440 networks. The momentum exists for one optimizer, the weight decay for the other.
MLP = _family(
    "mlp",
    Space(
        depth=standard.depth(1, 5),
        width=standard.width(8, 216),
        dropout=standard.dropout(0.0, 0.4),
        batch_size=standard.batch_size(32, 128),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
    ),
    {
        "depth": (1, 3, 5),
        "width": (8, 24, 72, 216),
        "dropout": (0.0, 0.3),
        "batch_size": (32, 128),
        "nesterov.learning_rate": (0.003, 0.01, 0.03, 0.1, 0.3),
        "nesterov.momentum": (0.5, 0.8, 0.95),
        "adamw.learning_rate": (0.0001, 0.0003, 0.001, 0.003, 0.01),
        "adamw.weight_decay": (0.0001, 0.01, 0.1),
    },
)

# 672 networks. The momentum exists for one optimizer, the weight decay for the other.
RESIDUAL = _family(
    "resnet",
    Space(
        depth=standard.depth(1, 2),
        width=standard.width(4, 16),
        pool_rounds=Fixed(1, domain=Int(0, 1, at_least=0, at_most=3)),
        normalization=Categorical("none", "batch_norm"),
        batch_size=standard.batch_size(48, 144),
        clipping=choose(CLIPPINGS, "none", "clip_norm", max_norm=Fixed(0.3)),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
    ),
    {
        "depth": (1, 2),
        "width": (4, 8, 16),
        "batch_size": (48, 144),
        "nesterov.learning_rate": (0.003, 0.02, 0.08, 0.3),
        "nesterov.momentum": (0.5, 0.9),
        "adamw.learning_rate": (0.001, 0.003, 0.01),
        "adamw.weight_decay": (0.001, 0.1),
    },
)

# 720 networks. The momentum exists for one optimizer.
RECURRENT = _family(
    "rnn",
    Space(
        depth=standard.depth(1, 2),
        width=standard.width(8, 32),
        cell=Categorical("rnn", "gru", "lstm"),
        batch_size=standard.batch_size(32, 128),
        clipping=choose(CLIPPINGS, "none", "clip_norm", max_norm=Fixed(0.3)),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw", weight_decay=Fixed(0.01)),
    ),
    {
        "depth": (1, 2),
        "width": (8, 16, 32),
        "batch_size": (32, 128),
        "nesterov.learning_rate": (0.02, 0.08, 0.3),
        "nesterov.momentum": (0.8, 0.95),
        "adamw.learning_rate": (0.0005, 0.0015, 0.004, 0.01),
    },
)

FAMILIES: Mapping[str, Family] = {"mlp": MLP, "residual": RESIDUAL, "recurrent": RECURRENT}
