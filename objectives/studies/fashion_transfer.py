"""T-shirt/top or Pullover, from 20 labelled images: is it worth while to reuse what was learned elsewhere?

All weights from chance, against the lowest stages of the network that fashion-eight ended with (run and score that
study first), of an autoencoder, and of a network that tells rotations; the latter two learn from the images of the
training side without their labels.

Validation has 1,200 labelled images, which somebody with 20 labels does not have: here they serve to tell the ways
apart, which a few of the 20 could not do. No network is trained on them, the final one neither.

An epoch is four steps, too few to end a trial by: search run --study fashion-transfer --pruner none
"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.reuse.catalogue import REUSES
from spaces import Fixed, Int, Space, standard

OBJECTIVE = Objective(
    description="from chance, transfer, autoencoder or rotations; stages reused, epochs frozen, learning rates",
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
        batch_size=Fixed(5, domain=Int(4, 20, at_least=1, at_most=20)),
        reuse=choose(REUSES, source=Fixed("fashion-eight"), layers=Int(1, 4, at_least=1, at_most=64)),
    ),
)
