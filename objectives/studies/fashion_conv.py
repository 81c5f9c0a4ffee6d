"""A convolutional network for Fashion-MNIST, with the number of pooling rounds as a hyperparameter."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Int, Space, standard

OBJECTIVE = Objective(
    description="depth, width, pooling rounds, learning rate, dropout and schedule of a CNN",
    data="fashion-mnist",
    model="cnn",
    epochs=15,
    trials=60,
    precision="auto",
    space=Space(
        depth=standard.depth(3, 6),
        width=standard.width(8, 64),
        pool_rounds=Int(1, 3, at_least=0, at_most=4),
        dropout=standard.dropout(),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
        schedule=choose(SCHEDULES, "constant", "cosine"),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
