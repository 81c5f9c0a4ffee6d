"""A textbook's configuration of a self-normalizing network.

Géron, "Hands-On Machine Learning" (3rd edition), table 11-4: LeCun initialization, SELU, no normalization; alpha
dropout if needed; Nesterov's method; a plateau schedule or 1cycle.
"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Space, standard

OBJECTIVE = Objective(
    description="a textbook's self-normalizing MLP: LeCun and SELU, alpha dropout; Nesterov; plateau or 1cycle",
    data="fashion-mnist",
    model="mlp",
    epochs=30,
    trials=40,
    space=Space(
        depth=standard.depth(4, 20),
        width=standard.width(50, 300),
        initializer=Fixed("lecun_normal"),
        activation=Fixed("selu"),
        normalization=Fixed("none"),
        **REGULARIZERS["alpha_dropout"].space.domains,
        optimizer=choose(OPTIMIZERS, "nesterov", learning_rate=standard.learning_rate(1e-4, 1e-1)),
        schedule=choose(SCHEDULES, "plateau", "one_cycle"),
        early_stopping=Fixed(10),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
