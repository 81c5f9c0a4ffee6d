"""T-shirt/top or Pullover, from 20 labelled images: does it help to reuse what was learned elsewhere?

Compares random initial weights with the lowest stages of three networks: the final network of fashion-eight (run and
score that study first), an autoencoder, and a network that tells rotations. The last two learn from the training
images without their labels.

Validation has 1,200 labelled images, more than somebody with 20 labels would have. They serve to compare the ways
reliably, which a few of the 20 could not. No network is trained on them, not even the final one.

An epoch has only four steps, too few for pruning: search run --study fashion-transfer --pruner none
"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.reuse.catalogue import REUSES
from spaces import Fixed, Int, Space, standard

OBJECTIVE = Objective(
    description="random weights, transfer, autoencoder or rotations; stages reused, epochs frozen, learning rates",
    data="fashion-mnist",
    classes=("T-shirt/top", "Pullover"),
    train_examples=20,
    retrain_on_validation=False,
    model="mlp",
    epochs=30,
    trials=80,
    space=Space(
        depth=Fixed(4, domain=standard.depth()),
        width=Fixed(100, domain=standard.width()),
        learning_rate=standard.learning_rate(3e-4, 1e-2),
        optimizer=Fixed("adam"),
        schedule=Fixed("cosine"),
        early_stopping=Fixed(15),
        batch_size=Fixed(5, domain=Int(4, 20, at_least=1, at_most=20)),
        reuse=choose(
            REUSES,
            *("none", "transfer", "pretrain", "auxiliary"),
            source=Fixed("fashion-eight"),
            layers=Int(1, 4, at_least=1, at_most=64),
        ),
    ),
)
