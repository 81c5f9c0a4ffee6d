"""What keeps a wide multilayer perceptron from overfitting Fashion-MNIST?"""

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.regularizers.catalogue import REGULARIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Fixed, Int, Space, standard

OBJECTIVE = Objective(
    description="dropout (all layers or the top ones), max-norm, weight decay, label smoothing, early stopping",
    data="fashion-mnist",
    model="mlp",
    epochs=20,
    trials=80,
    space=Space(
        depth=standard.depth(2, 4),
        width=standard.width(128, 1024),
        dropout=standard.dropout(),
        dropout_layers=Int(0, 3, at_least=0, at_most=64),
        input_dropout=standard.dropout(0.0, 0.3),
        **REGULARIZERS["max_norm"].space.domains,
        **REGULARIZERS["label_smoothing"].space.domains,
        **REGULARIZERS["early_stopping"].space.domains,
        **REGULARIZERS["output_scale"].space.domains,
        **REGULARIZERS["weight_decay"].space.domains,
        learning_rate=standard.learning_rate(1e-4, 1e-2),
        optimizer=Fixed("adamw"),
        schedule=choose(SCHEDULES, "constant", "plateau", "cosine"),
        batch_size=Fixed(128, domain=standard.batch_size()),
    ),
)
