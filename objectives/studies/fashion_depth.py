"""How deep and how wide should a multilayer perceptron be for Fashion-MNIST?"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Space, standard

OBJECTIVE = Objective(
    description="depth, width, learning rate, momentum, dropout, schedule and optimizer of an MLP",
    data="fashion-mnist",
    model="mlp",
    precision="auto",
    epochs=10,
    trials=100,
    space=Space(
        depth=standard.depth(1, 6),
        width=standard.width(32, 512),
        dropout=standard.dropout(0.0, 0.4),
        optimizer=choose(OPTIMIZERS, "sgd", "nesterov", "adamw"),
        schedule=choose(SCHEDULES, "constant", "exponential", "cosine"),
        batch_size=Fixed(256, domain=standard.batch_size()),
    ),
)
