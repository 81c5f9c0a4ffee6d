"""Every optimizer on one network, each with its own range of learning rates, with and without gradient clipping."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.clipping import CLIPPINGS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Space, standard

OBJECTIVE = Objective(
    description="every optimizer with its own learning rates, momentum and decay, and gradient clipping",
    data="fashion-mnist",
    model="mlp",
    epochs=10,
    trials=100,
    space=Space(
        depth=Fixed(3, domain=standard.depth()),
        width=Fixed(128, domain=standard.width()),
        optimizer=choose(OPTIMIZERS),
        clipping=choose(CLIPPINGS),
        schedule=choose(SCHEDULES, "cosine"),
        batch_size=Fixed(256, domain=standard.batch_size()),
    ),
)
