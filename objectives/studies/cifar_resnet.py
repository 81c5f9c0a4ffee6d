"""A residual network for CIFAR-10, in the form of He et al. (2015), on augmented images."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Int, Space, standard

OBJECTIVE = Objective(
    description="depth, width, learning rates, decay, smoothing, cutout and Lookahead of an augmented residual network",
    data="cifar10",
    model="resnet",
    epochs=30,
    trials=60,
    precision="auto",
    space=Space(
        depth=standard.depth(3, 9),
        width=standard.width(16, 64),
        pool_rounds=Fixed(2, domain=Int(1, 3, at_least=0, at_most=5)),
        activation=Categorical("relu", "silu"),
        **REGULARIZERS["label_smoothing"].space.domains,
        **REGULARIZERS["bias_rate"].space.domains,
        lookahead=Categorical(0, 5),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw", "muon"),
        schedule=choose(SCHEDULES, "cosine", "one_cycle"),
        early_stopping=Fixed(10),
        flip=Fixed(True),
        crop=Fixed(4, domain=Int(0, 8, at_least=0, at_most=64)),
        cutout=Int(0, 16, at_least=0, at_most=512),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
