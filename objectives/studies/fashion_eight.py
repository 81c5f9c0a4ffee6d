"""Eight classes of Fashion-MNIST, all except T-shirt/top and Pullover: the source of fashion-transfer."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Space, standard

OBJECTIVE = Objective(
    description="learning rate, dropout, schedule and optimizer of an MLP whose stages fashion-transfer reuses",
    data="fashion-mnist",
    classes=("Trouser", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    model="mlp",
    epochs=15,
    trials=16,
    space=Space(
        depth=Fixed(4, domain=standard.depth()),
        width=Fixed(100, domain=standard.width()),
        dropout=standard.dropout(0.0, 0.3),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
        schedule=choose(SCHEDULES, "constant", "cosine"),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
