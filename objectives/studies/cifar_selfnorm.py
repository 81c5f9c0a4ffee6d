"""Twenty layers of 100 units on CIFAR-10: what keeps such a deep perceptron trainable?"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Float, Space, standard

# Values that belong together: SELU keeps mean and variance only if nothing else changes them.
RECIPES = Categorical(
    {
        "swish": Space(activation=Fixed("silu"), initializer=Fixed("he_normal"), dropout=standard.dropout(0.0, 0.2)),
        "batch_norm": Space(
            activation=Fixed("silu"), initializer=Fixed("he_normal"), normalization=Fixed("batch_norm")
        ),
        "selu": Space(
            activation=Fixed("selu"),
            initializer=Fixed("lecun_normal"),
            alpha_dropout=Float(0.0, 0.1, at_least=0.0, at_most=standard.BELOW_ONE),
        ),
    },
    inline=True,
)

OBJECTIVE = Objective(
    description="a 20 x 100 MLP: Swish and He, SELU and LeCun, or batch norm; with and without 1cycle",
    data="cifar10",
    model="mlp",
    epochs=20,
    trials=40,
    space=Space(
        depth=Fixed(20, domain=standard.depth(1, 24)),
        width=Fixed(100, domain=standard.width()),
        recipe=RECIPES,
        optimizer=choose(OPTIMIZERS, "nadam", learning_rate=standard.learning_rate(1e-4, 3e-3)),
        schedule=choose(SCHEDULES, "constant", "one_cycle"),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
