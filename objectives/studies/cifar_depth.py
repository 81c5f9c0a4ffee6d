"""Deep multilayer perceptrons on CIFAR-10: which initialization and activation prevent vanishing gradients?"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.models.activations import ACTIVATIONS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Space, standard

OBJECTIVE = Objective(
    description="an MLP of 1 to 24 layers: initialization and activation against vanishing gradients",
    data="cifar10",
    model="mlp",
    epochs=20,
    trials=100,
    space=Space(
        depth=standard.depth(1, 24),
        width=standard.width(32, 512),
        activation=choose(ACTIVATIONS, "relu", "leaky_relu", "elu", "silu", "tanh", "sigmoid"),
        initializer=Categorical("glorot_normal", "he_normal", "lecun_normal", "orthogonal"),
        normalization=Categorical("none", "batch_norm"),
        dropout=standard.dropout(0.0, 0.4),
        optimizer=choose(OPTIMIZERS, "nesterov", "nadam"),
        schedule=choose(SCHEDULES, "constant", "exponential", "cosine"),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
