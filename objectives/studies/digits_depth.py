"""A first study: a small multilayer perceptron on scikit-learn's digits; seconds a trial, no download."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Space, standard

OBJECTIVE = Objective(
    description="depth, width, learning rate, momentum, dropout, schedule and optimizer of an MLP",
    data="digits",
    model="mlp",
    epochs=20,
    trials=30,
    validation_fraction=0.2,
    space=Space(
        depth=standard.depth(1, 6),
        width=standard.width(8, 256),
        dropout=standard.dropout(),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
        schedule=choose(SCHEDULES, "constant", "exponential", "cosine"),
        batch_size=Fixed(64, domain=standard.batch_size()),
    ),
)
