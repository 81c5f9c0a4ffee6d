"""A textbook's default configuration of a dense network: what a reader would set, and what it leaves open.

Géron, "Hands-On Machine Learning" (3rd edition), table 11-3: He initialization; ReLU if shallow, Swish and batch norm
if deep; early stopping, and weight decay if needed; Nesterov's method or AdamW; a plateau schedule or 1cycle.
"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Space, standard

RECIPES = Categorical(
    {
        "shallow": Space(depth=standard.depth(1, 3), activation=Fixed("relu"), normalization=Fixed("none")),
        "deep": Space(depth=standard.depth(4, 20), activation=Fixed("silu"), normalization=Fixed("batch_norm")),
    },
    inline=True,
)

OBJECTIVE = Objective(
    description="a textbook's default MLP: He; ReLU, or Swish with batch norm; Nesterov or AdamW; plateau or 1cycle",
    data="fashion-mnist",
    model="mlp",
    epochs=30,
    trials=40,
    space=Space(
        recipe=RECIPES,
        width=standard.width(50, 300),
        initializer=Fixed("he_normal"),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
        schedule=choose(SCHEDULES, "plateau", "one_cycle"),
        early_stopping=Fixed(10),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
