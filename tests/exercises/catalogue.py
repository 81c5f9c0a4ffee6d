"""What each exercise asks, and the commands that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Command = tuple[str, ...]

# Every combination of the values, each with three seeds and to the end, on a part of the training images.
BAKE_OFF: Command = ("--sampler", "grid", "--points", "1", "--repeats", "3", "--pruner", "none")
FASHION: Command = ("--objective", "fashion-depth", "--train-examples", "10000")
CIFAR: Command = ("--objective", "cifar-depth", "--train-examples", "10000")
RECURRENT: Command = ("--objective", "fashion-recurrent", "--train-examples", "5000")


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise, in our words."""

    asks: str
    commands: tuple[Command, ...]
    """What is typed after `search`; a study is named after its exercise."""
    answer: str
    """What the figures say."""


def fix(text: str) -> Command:
    """Return a `--set` flag for each of the words, such as `depth=3 optimizer=sgd,adamw`."""
    return tuple(part for word in text.split() for part in ("--set", word))


def bake_off(study: str, base: Command, epochs: int, text: str) -> Command:
    """Return the command that compares every combination of values."""
    return ("run", "--study", study, *base, "--epochs", str(epochs), *BAKE_OFF, *fix(text))


# Networks that differ in one thing need all others fixed.
SGD = "optimizer=nesterov nesterov.learning_rate=0.05 nesterov.momentum=0.9 schedule=constant dropout=0"
TWENTY = "depth=20 width=100 normalization=none dropout=0 schedule=constant optimizer=nadam"
TWENTY_LAYERS = f"{TWENTY} nadam.learning_rate=0.001 activation=swish initializer=he_normal"

EXERCISES: Mapping[str, Exercise] = {
    "a1": Exercise(
        asks="What do Glorot's and He's initialization repair?",
        commands=(
            bake_off(
                "a1",
                FASHION,
                4,
                f"{SGD} depth=8 width=100 activation=relu,tanh initializer=normal,glorot_normal,he_normal",
            ),
        ),
        answer=(
            "Both keep the size of signals and gradients through eight layers. With ReLU, He's starts best on "
            "average and Glorot's, whose variance is half as large, varies most; with tanh all three do about "
            "as well. Four epochs with three seeds do not tell them apart with certainty: a plain normal draw "
            "of deviation 0.1 happens to be near both at this width (He's is 0.14)."
        ),
    ),
    "a2": Exercise(
        asks="May all weights begin with one value, if it is drawn at random?",
        commands=(bake_off("a2", FASHION, 4, f"{SGD} depth=2 width=100 initializer=constant,he_normal"),),
        answer=(
            "No: all units of a layer then compute the same thing and get the same gradient for ever, so the "
            "network has one unit a layer. Here the accuracy stays at chance."
        ),
    ),
    "a3": Exercise(
        asks="May biases begin at zero?",
        commands=(bake_off("a3", FASHION, 4, f"{SGD} depth=3 width=100 biases=zero,constant constant.bias=0.1"),),
        answer="Yes. A constant of 0.1 is no better.",
    ),
    "a4": Exercise(
        asks="Which activation, when?",
        commands=(
            bake_off(
                "a4",
                FASHION,
                4,
                f"{SGD} depth=4 width=100 initializer=he_normal "
                "activation=relu,leaky_relu,elu,gelu,swish,mish,tanh,sigmoid",
            ),
        ),
        answer=(
            "In four layers all but the sigmoid, which starves the lower layers, do about as well; ELU broke "
            "down with one of the three seeds at this learning rate, and so was stopped with all of them. Which "
            "is best in deeper networks, the studies `fashion-activations` and `cifar-selfnorm` search."
        ),
    ),
    "a5": Exercise(
        asks="What happens with a momentum of 0.99999?",
        commands=(
            bake_off(
                "a5",
                FASHION,
                4,
                "optimizer=momentum momentum.learning_rate=0.05 momentum.momentum=0.9,0.99,0.99999 schedule=constant "
                "dropout=0 depth=3 width=100",
            ),
        ),
        answer=(
            "Nearly all past gradients still push, so the network rushes past the minimum and comes back; it "
            "ends below a momentum of 0.9."
        ),
    ),
    "a6": Exercise(
        asks="Three ways to a sparse network.",
        commands=(
            (
                *("run", "--study", "a6", "--objective", "fashion-sparse", "--train-examples", "10000"),
                *("--epochs", "6", "--trials", "12", "--experience", "none"),
            ),
            ("final", "--study", "a6", "--measure", "--variant", "prune_unstructured:amount=0.5"),
            ("final", "--study", "a6", "--measure", "--variant", "prune_structured:amount=0.2"),
        ),
        answer=(
            "L1 during the training makes weights small, not zero; zeros come from pruning, of single weights "
            "or of whole units, whose effect is measured on validation images before anything is scored. Batch "
            "norm makes up for the size of weights, so a weak l1 leaves a network that does not tolerate much "
            "pruning."
        ),
    ),
    "a7": Exercise(
        asks="Does dropout slow training? Prediction? And Monte Carlo dropout?",
        commands=(
            bake_off("a7", FASHION, 6, f"{SGD.replace('dropout=0', 'dropout=0,0.2,0.5')} depth=3 width=100"),
            bake_off("a7-mc", FASHION, 6, f"{SGD.replace('dropout=0', 'dropout=0.5')} depth=3 width=100"),
            ("final", "--study", "a7-mc", "--measure", "--variant", "mc_dropout:samples=20"),
        ),
        answer=(
            "It slows the training down: after six epochs the network without it is ahead, and the more dropout "
            "the further. Prediction costs nothing more, since all units are on; Monte Carlo dropout costs as "
            "many predictions as it has samples. The last line shows what the samples are good for: answering "
            "only where they agree."
        ),
    ),
    "a8-rate": Exercise(
        asks="CIFAR-10 with 20 layers of 100 units, He and Swish, NAdam, early stopping: find the right rate.",
        commands=(
            ("lr-range", "--objective", "cifar-depth", *fix(f"{TWENTY} activation=swish initializer=he_normal")),
            bake_off(
                "a8-rate",
                CIFAR,
                6,
                f"{TWENTY} activation=swish initializer=he_normal nadam.learning_rate=0.0001,0.0003,0.001,0.003 "
                "early_stopping=4",
            ),
        ),
        answer=(
            "A test of 300 steps is too short for twenty layers without normalization: its loss does not fall "
            "at any rate, and it says so. The bake-off finds 0.001 best; 0.003 and 0.0001 are worse by more "
            "than the noise."
        ),
    ),
    "a8-norm": Exercise(
        asks="The same with batch norm: faster? Better? What does an epoch cost?",
        commands=(
            bake_off("a8-norm", CIFAR, 6, TWENTY_LAYERS.replace("normalization=none", "normalization=none,batch_norm")),
        ),
        answer=(
            "Within six epochs of 10,000 images it makes no difference that exceeds the noise. Over 15 epochs "
            "of 15,000 images it adds nine points or more ([Twenty layers](textbook.md#twenty-layers))."
        ),
    ),
    "a8-selu": Exercise(
        asks="The same with SELU, LeCun's initialization and standardized inputs; then alpha dropout, then MC dropout.",
        commands=(
            (
                *("run", "--study", "a8-selu", "--objective", "cifar-selfnorm", "--train-examples", "10000"),
                *("--epochs", "6", *BAKE_OFF),
                *fix("recipe=selu selu.alpha_dropout=0,0.05 schedule=constant nadam.learning_rate=0.001"),
            ),
            (
                *("run", "--study", "a8-mc", "--objective", "cifar-selfnorm", "--train-examples", "10000"),
                *("--epochs", "6", *BAKE_OFF),
                *fix("recipe=selu selu.alpha_dropout=0.05 schedule=constant nadam.learning_rate=0.001"),
            ),
            ("final", "--study", "a8-mc", "--measure", "--variant", "mc_dropout:samples=20"),
        ),
        answer=(
            "It trains twenty layers without batch norm, as well as Swish with He's initialization does at its best "
            "rate. Alpha dropout of 5% costs several points in so short a training; Monte Carlo dropout needs no "
            "further training, only a network with dropout."
        ),
    ),
    "a8-cycle": Exercise(
        asks="The same with 1cycle: faster? Better?",
        commands=(
            bake_off("a8-cycle", CIFAR, 6, TWENTY_LAYERS.replace("schedule=constant", "schedule=constant,one_cycle")),
        ),
        answer="One percent ahead on average, which is within the noise of three seeds.",
    ),
    "b1": Exercise(
        asks="A schedule that waits for a plateau, as an option whose values are checked.",
        commands=(
            bake_off(
                "b1", FASHION, 8, f"{SGD.replace('constant', 'constant,plateau')} depth=3 width=100 plateau.patience=2"
            ),
        ),
        answer=(
            "`plateau` is an entry of the schedules. A patience below 1, a factor above 1 or a misspelt option "
            "is refused in one sentence when the study is created, and the test of the registry compares its "
            "rates with torch's ReduceLROnPlateau."
        ),
    ),
    "b2": Exercise(
        asks="AdamW against Nesterov with a cosine schedule, at batches of 1, 4, 32, 64 and 128.",
        commands=(
            bake_off(
                "b2",
                ("--objective", "fashion-depth", "--train-examples", "2000"),
                3,
                "depth=2 width=64 dropout=0 schedule=cosine optimizer=adamw,nesterov adamw.learning_rate=0.001 "
                "adamw.weight_decay=0.01 nesterov.learning_rate=0.01 nesterov.momentum=0.9 batch_size=1,4,32,64,128",
            ),
        ),
        answer=(
            "Small batches make more steps of the same 2,000 images and win, up to what the rate bears: "
            "Nesterov with batches of 1 broke down. With one rate for all sizes this compares numbers of steps "
            "more than optimizers."
        ),
    ),
    "b3": Exercise(
        asks="Depths of 1, 6, 12 and 24 layers of 256 units, by SGD and by AdamW with a cosine schedule.",
        commands=(
            bake_off(
                "b3",
                FASHION,
                3,
                "depth=1,6,12,24 width=256 dropout=0 optimizer=sgd,adamw sgd.learning_rate=0.1 "
                "adamw.learning_rate=0.001 adamw.weight_decay=0.01 schedule=cosine",
            ),
        ),
        answer=(
            "AdamW with a cosine schedule trains 24 layers, although no better than 6; plain SGD breaks down "
            "there and falls behind from 12 layers on."
        ),
    ),
    "b4": Exercise(
        asks="A bidirectional recurrent network with each optimizer.",
        commands=(
            bake_off(
                "b4",
                RECURRENT,
                3,
                "depth=1 width=32 cell=gru bidirectional=true initializer=orthogonal dropout=0 clipping=none "
                "schedule=constant",
            ),
        ),
        answer=(
            "In three epochs the optimizers that scale each weight's step are ahead; those of one rate for all "
            "would need a higher one. Each has the middle of its own range here; a study that searches them is "
            "`fashion-recurrent`."
        ),
    ),
    "b5": Exercise(
        asks="The same with gradient clipping.",
        commands=(
            bake_off(
                "b5",
                RECURRENT,
                3,
                "depth=1 width=32 cell=gru bidirectional=true initializer=orthogonal dropout=0 "
                "clipping=none,clip_norm,clip_value schedule=constant optimizer=nesterov,adam",
            ),
        ),
        answer=(
            "A gated network over 28 steps has no exploding gradients at these rates: clipping changes nothing. "
            "It matters for plain `rnn` cells and higher rates."
        ),
    ),
    "b6": Exercise(
        asks="Search an MLP, retrain the best, score it on the test set, and compare with what the search promised.",
        commands=(
            (
                *("run", "--study", "b6", "--objective", "fashion-depth", "--train-examples", "10000"),
                *("--epochs", "6", "--trials", "15"),
            ),
            ("final", "--study", "b6"),
        ),
        answer="The search promised 0.8700 and the test set says 0.8668, whose interval contains the promise.",
    ),
    "b7": Exercise(
        asks="The same with convolutions, the rounds of pooling among what is searched.",
        commands=(
            (
                *("run", "--study", "b7", "--objective", "fashion-conv", "--train-examples", "3000"),
                *("--epochs", "3", "--trials", "6"),
                *fix("depth=3:4 width=8:16"),
            ),
            ("final", "--study", "b7"),
        ),
        answer=(
            "The test accuracy is above what the search promised: the retraining had the 6,000 validation images as "
            "well, three times as many images as a trial. The rounds of pooling are `pool_rounds`."
        ),
    ),
}
