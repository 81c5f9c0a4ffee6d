"""A recurrent network that reads each image of Fashion-MNIST row by row."""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.clipping import CLIPPINGS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Fixed, Space, standard

OBJECTIVE = Objective(
    description="cells, layers, width, directions, every optimizer and gradient clipping of a recurrent network",
    data="fashion-mnist",
    model="rnn",
    epochs=10,
    trials=100,
    space=Space(
        depth=standard.depth(1, 4),
        width=standard.width(16, 128),
        cell=Categorical("rnn", "gru", "lstm"),
        bidirectional=Categorical(False, True),
        initializer=Categorical("glorot_uniform", "orthogonal"),
        dropout=standard.dropout(0.0, 0.3),
        optimizer=choose(OPTIMIZERS),
        clipping=choose(CLIPPINGS),
        schedule=choose(SCHEDULES, "constant", "cosine"),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
