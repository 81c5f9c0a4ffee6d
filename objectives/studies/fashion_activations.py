"""Every activation with every initialization and normalization that suits it, on Fashion-MNIST."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.models.activations import ACTIVATIONS
from objectives.models.initializers import BIASES, INITIALIZERS
from objectives.models.normalizations import NORMALIZATIONS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Space, standard

RECIPES = Categorical(
    {
        "selu": Space(activation=Fixed("selu"), initializer=Fixed("lecun_normal")),
        "others": Space(
            activation=choose(ACTIVATIONS, *(name for name in ACTIVATIONS if name != "selu")),
            initializer=choose(INITIALIZERS),
            biases=choose(BIASES),
            # Layer norm of channels is layer norm itself in a perceptron.
            normalization=choose(NORMALIZATIONS, *(name for name in NORMALIZATIONS if name != "channel_norm")),
        ),
    },
    inline=True,
)

OBJECTIVE = Objective(
    description="every activation, initialization and normalization of an MLP",
    data="fashion-mnist",
    model="mlp",
    epochs=10,
    trials=100,
    space=Space(
        depth=standard.depth(2, 12),
        width=standard.width(64, 256),
        recipe=RECIPES,
        optimizer=choose(OPTIMIZERS, "adam", "nesterov"),
        schedule=choose(SCHEDULES, "cosine"),
        batch_size=Fixed(256, domain=standard.batch_size()),
    ),
)
