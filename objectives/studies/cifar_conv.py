"""A convolutional network for CIFAR-10, trained on flipped and shifted images."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Int, Space, standard

OBJECTIVE = Objective(
    description="depth, width, pooling rounds, learning rate, dropout, schedule, augmentation of a CNN",
    data="cifar10",
    model="cnn",
    epochs=30,
    trials=60,
    precision="auto",
    space=Space(
        depth=standard.depth(3, 9),
        width=standard.width(16, 96),
        pool_rounds=Int(1, 3, at_least=0, at_most=5),
        dropout=standard.dropout(),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
        schedule=choose(SCHEDULES, "constant", "cosine"),
        early_stopping=Fixed(10),
        mirroring=Categorical(
            {"random": Space(flip=Fixed(True)), "alternating": Space(alternating_flip=Fixed(True))}, inline=True
        ),
        crop=Fixed(4, domain=Int(0, 8, at_least=0, at_most=64)),
        crop_padding=Categorical("zeros", "reflect"),
        **REGULARIZERS["brightness"].space.domains,
        **REGULARIZERS["contrast"].space.domains,
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
