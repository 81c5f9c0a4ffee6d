"""Every schedule with one network and one learning rate: how much does the schedule matter on Fashion-MNIST?"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Int, Space, standard

RECIPES = Categorical(
    {
        # With more patience, a plateau would not act before the end.
        "plain": Space(schedule=choose(SCHEDULES, patience=Int(1, 4, at_least=0, at_most=1000))),
        "warm": Space(
            schedule=choose(SCHEDULES, "constant", "exponential", "cosine"),
            **REGULARIZERS["warmup_epochs"].space.domains,
        ),
        "averaged": Space(schedule=choose(SCHEDULES, "cosine_dips", "cosine_restarts"), swa=Fixed(True)),
    },
    inline=True,
)

OBJECTIVE = Objective(
    description="every learning-rate schedule, with warm-up or averaged over its dips, for one MLP",
    data="fashion-mnist",
    model="mlp",
    epochs=12,
    trials=60,
    space=Space(
        depth=Fixed(3, domain=standard.depth()),
        width=Fixed(128, domain=standard.width()),
        optimizer=choose(OPTIMIZERS, "momentum", learning_rate=Fixed(0.1), momentum=Fixed(0.9)),
        recipe=RECIPES,
        batch_size=Fixed(256, domain=standard.batch_size()),
    ),
)
