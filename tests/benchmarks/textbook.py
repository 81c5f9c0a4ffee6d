"""What textbooks say about schedules, deep perceptrons and transfer, tried on real data over several seeds.

    python -m tests.benchmarks.textbook fashion-schedules --data DIR [--seeds 5] [--epochs E] [--train-examples N]

An arm is a point of the study's own space: the parameters it names, every other at the middle of its range. Each
seed draws the split, the first weights and the order of examples; all arms of a seed are trained before the next
seed's. Where an arm has several learning rates to choose from, the best on a split of its own decides beforehand.
The value is the validation accuracy of the best epoch, as in a study; no test image is opened. One thread.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from objectives.base.seeds import derive_seed
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.splits.divide import split_data
from objectives.discovery import find_objective
from objectives.models.weights import pack_weights
from objectives.reuse.trained_network import TrainedNetwork
from objectives.schedules.catalogue import SCHEDULES
from spaces import Configuration, Scalar

TUNING_SEED = 10_000


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A point of a study's space; `rates` are learning rates to choose from, of the parameter `rate`."""

    label: str
    picks: Mapping[str, Scalar]
    rate: str = ""
    rates: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arms of one study; `source` names an objective whose network every seed trains first."""

    arms: tuple[Arm, ...]
    tuning_epochs: int = 3
    source: str | None = None


def _schedules() -> Comparison:
    arms = [Arm(label=name, picks={"recipe": "plain", "plain.schedule": name}) for name in SCHEDULES]
    arms += [
        Arm(
            label=f"{name}, warm-up of 1 epoch",
            picks={"recipe": "warm", "warm.schedule": name, "warmup_epochs": 1},
        )
        for name in ("constant", "cosine")
    ]
    arms += [
        Arm(label=f"{name}, averaged (swa)", picks={"recipe": "averaged", "averaged.schedule": name})
        for name in ("cosine_dips", "cosine_restarts")
    ]
    return Comparison(arms=tuple(arms))


def _selfnorm() -> Comparison:
    labels = {"swish": "Swish, He", "batch_norm": "Swish, He, batch norm", "selu": "SELU, LeCun, alpha dropout"}
    arms = [
        Arm(
            label=f"{label}, {schedule}",
            picks={"recipe": recipe, "schedule": schedule},
            rate="nadam.learning_rate",
            rates=(3e-4, 1e-3, 3e-3),
        )
        for recipe, label in labels.items()
        for schedule in ("constant", "one_cycle")
    ]
    return Comparison(arms=tuple(arms))


def _transfer() -> Comparison:
    arms = [
        Arm(label="from scratch", picks={"reuse": "none"}),
        *(
            Arm(label=f"transfer, lowest {k} layers", picks={"reuse": "transfer", "transfer.layers": k})
            for k in (1, 2, 3)
        ),
        Arm(label="autoencoder first", picks={"reuse": "pretrain"}),
        Arm(label="rotations first", picks={"reuse": "auxiliary"}),
    ]
    return Comparison(arms=tuple(arms), source="fashion-eight")


COMPARISONS = {
    "fashion-schedules": _schedules,
    "cifar-selfnorm": _selfnorm,
    "fashion-transfer": _transfer,
}


class Middle:
    """TrialLike what is picked, by a parameter's full name or its last part, and else the middle of the range."""

    def __init__(self, picks: Mapping[str, Scalar]) -> None:
        self.picks = dict(picks)

    def _picked(self, name: str) -> Any:
        return self.picks.get(name, self.picks.get(name.rpartition(".")[2]))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number."""
        picked = self._picked(name)
        middle = (low * high) ** 0.5 if log else (low + high) / 2
        return low + round((middle - low) / step) * step if picked is None else int(picked)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number."""
        picked = self._picked(name)
        middle = (low * high) ** 0.5 if log else (low + high) / 2
        return float(middle if picked is None else picked)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """A choice; the first where none is picked."""
        picked = self._picked(name)
        assert picked is None or picked in choices, (name, picked, choices)
        return choices[0] if picked is None else picked


class Bench:
    """One objective's data by seed, and runs on them."""

    def __init__(self, study: str, data: Path, cache: Path, epochs: int | None, train_examples: int | None) -> None:
        self.objective: Objective = find_objective(study).objective
        self.epochs = epochs or self.objective.epochs
        self._train_examples = train_examples or self.objective.train_examples
        self._prepared = prepare(self.objective.data, data, cache)

    def data(self, seed: int) -> TrainValidation:
        """The split of a seed."""
        objective = self.objective
        parts = split_data(self._prepared, objective.validation_fraction, seed, self._train_examples, objective.classes)
        return load(self._prepared, parts, "cpu", classes=objective.classes)

    def config(self, picks: Mapping[str, Scalar]) -> Configuration:
        """The point of the space that an arm stands for."""
        return self.objective.space.sample(Middle(picks))

    def run(
        self,
        config: Configuration,
        data: TrainValidation,
        seed: int,
        *,
        epochs: int | None = None,
        sources: Mapping[str, TrainedNetwork] | None = None,
    ) -> tuple[float, torch.nn.Module]:
        """The best epoch's validation accuracy, and the network that had it."""
        best = [0.0]

        def report(epoch: int, metrics: Mapping[str, float]) -> None:
            best[0] = max(best[0], metrics["accuracy"])

        model = train(
            self.objective,
            config,
            data,
            report,
            epochs=epochs or self.epochs,
            seed=derive_seed(seed, "textbook"),
            sources=sources,
        )
        return best[0], model


def tuned(context: Bench, arm: Arm, epochs: int) -> Arm:
    """The arm with the learning rate that is best after a few epochs on a split of its own."""
    if not arm.rates:
        return arm
    data = context.data(TUNING_SEED)
    values = {
        rate: context.run(context.config({**arm.picks, arm.rate: rate}), data, TUNING_SEED, epochs=epochs)[0]
        for rate in arm.rates
    }
    rate = max(values, key=values.__getitem__)
    return Arm(label=f"{arm.label}, rate {rate:g}", picks={**arm.picks, arm.rate: rate})


def source_network(context: Bench, name: str, seed: int) -> TrainedNetwork:
    """The other study's network, at the middle of its space, trained on this seed's split."""
    config, data = context.config({}), context.data(seed)
    _, model = context.run(config, data, seed)
    weights, sha256 = pack_weights(model)
    return TrainedNetwork(
        name=name,
        sha256=sha256,
        model=context.objective.model or "",
        configuration=config.to_json(),
        image_shape=data.image_shape,
        classes=data.classes,
        weights=weights,
    )


def main() -> None:
    """Run a comparison and print its table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.textbook")
    parser.add_argument("study", choices=COMPARISONS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "depthsearch-benchmarks")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--train-examples", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    comparison, started = COMPARISONS[given.study](), time.perf_counter()

    def context(study: str, train_examples: int | None) -> Bench:
        return Bench(study, given.data, given.cache, given.epochs, train_examples)

    own = context(given.study, given.train_examples)
    other = context(comparison.source, None) if comparison.source else None
    arms = [tuned(own, arm, comparison.tuning_epochs) for arm in comparison.arms]
    values: dict[str, list[float]] = {arm.label: [] for arm in arms}
    for seed in range(given.seeds):
        data = own.data(seed)
        sources = {comparison.source: source_network(other, comparison.source, seed)} if other else None
        for arm in arms:
            value, _ = own.run(own.config(arm.picks), data, seed, sources=sources)
            values[arm.label].append(value)
            print(f"# seed {seed}: {arm.label}: {value:.4f}", flush=True)
    print(f"\ntorch {torch.__version__}, 1 thread, {platform.machine()} {torch.backends.cpu.get_cpu_capability()}")
    print(f"{given.study}: {own.epochs} epochs, {len(data.train):,} + {len(data.validation):,} images")
    print(f"{given.seeds} seeds, {time.perf_counter() - started:.0f} s\n")
    print("| | mean | standard deviation | lowest | highest |\n|---|---|---|---|---|")
    for label, found in values.items():
        spread = statistics.stdev(found) if len(found) > 1 else float("nan")
        print(f"| {label} | {statistics.mean(found):.4f} | {spread:.4f} | {min(found):.4f} | {max(found):.4f} |")


if __name__ == "__main__":
    main()
