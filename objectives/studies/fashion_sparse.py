"""Networks that are pruned at the final step: l1 against l2 on Fashion-MNIST."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Space, standard

OBJECTIVE = Objective(
    description="l1 against l2 for an MLP that is pruned at the final step (final --variant)",
    data="fashion-mnist",
    model="mlp",
    epochs=10,
    trials=40,
    space=Space(
        depth=standard.depth(1, 4),
        width=standard.width(64, 512),
        normalization=Categorical("none", "batch_norm"),
        recipe=Categorical({name: REGULARIZERS[name].space for name in ("l1", "l2")}, inline=True),
        optimizer=choose(OPTIMIZERS, "adam"),
        schedule=choose(SCHEDULES, "cosine"),
        batch_size=Fixed(256, domain=standard.batch_size()),
    ),
)
