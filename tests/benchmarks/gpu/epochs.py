"""Seconds of an epoch: `train` eager and as graphs, against the same network in a loop by hand."""

import itertools
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from objectives.core.objective import Objective
from objectives.core.run import build_network, train
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.splits.split import split_examples
from objectives.discovery import find_objective
from objectives.training.engines.choice import StepMode
from search.settings import Settings
from spaces import Choice, Configuration
from tests.benchmarks.gpu.handwritten import Loop

ADAMW = Choice("adamw", {"learning_rate": 1e-3, "weight_decay": 1e-4})
NESTEROV = Choice("nesterov", {"learning_rate": 0.1, "momentum": 0.9})
CONFIGURATIONS: Mapping[str, Mapping[str, object]] = {
    "fashion-depth": {"depth": 3, "width": 128, "dropout": 0.1, "optimizer": ADAMW, "batch_size": 256},
    "cifar-resnet": {"depth": 3, "width": 32, "optimizer": NESTEROV, "batch_size": 128, "flip": True},
    "cifar-conv": {"depth": 6, "width": 48, "pool_rounds": 2, "dropout": 0.1, "optimizer": ADAMW, "batch_size": 128},
}


def load_data(objective: Objective, settings: Settings) -> TrainValidation:
    """Return the objective's data on the GPU."""
    prepared = prepare(objective.data, Path(settings.data), Path(settings.cache))
    return load(prepared, split_examples(prepared.labels(), objective.validation_fraction, 0), "cuda")


def measure_product(
    objective: Objective,
    data: TrainValidation,
    values: Mapping[str, object],
    mode: StepMode,
    epochs: int,
    seed: int = 1,
) -> tuple[list[float], float]:
    """Train with `train`; return the seconds from report to report, and the best accuracy."""
    times, accuracies = [time.perf_counter()], []

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        times.append(time.perf_counter())
        accuracies.append(metrics["accuracy"])

    config = Configuration({**values, "schedule": Choice("cosine")})
    train(objective, config, data, report, epochs=epochs, seed=seed, step_mode=mode)
    return [end - start for start, end in itertools.pairwise(times)], max(accuracies)


def measure_by_hand(
    objective: Objective, data: TrainValidation, values: Mapping[str, object], epochs: int, *, graph: bool
) -> tuple[list[float], float]:
    """Train the same network by hand."""
    shape = {"image_shape": data.image_shape, "classes": len(data.classes)}
    config = Configuration({**values, **shape, "epochs": epochs, "seed": 1})
    torch.manual_seed(1)
    model = build_network(objective, config).to(data.device)
    half = objective.precision == "auto"
    loop = Loop(
        model=model, optimizer=_optimizer(model, values["optimizer"]), data=data, half=half,
        batch=int(str(values["batch_size"])), mirror=bool(values.get("flip")),
    )  # fmt: skip
    return loop.measure(epochs, graph=graph)


def _optimizer(model: nn.Module, choice: object) -> torch.optim.Optimizer:
    if choice is ADAMW:
        return torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4, fused=True, capturable=True)
    return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, fused=True)


def compare(name: str, epochs: int, seeds: int, settings: Settings) -> dict[str, object]:
    """Measure one network in every way; print and return the medians, the first epoch left out."""
    objective = find_objective(name).objective
    data, values = load_data(objective, settings), CONFIGURATIONS[name]
    found: dict[str, object] = {}
    ways = {
        "by hand, eager": lambda: measure_by_hand(objective, data, values, 3, graph=False),
        "by hand, graph": lambda: measure_by_hand(objective, data, values, epochs, graph=True),
        "train, eager": lambda: measure_product(objective, data, values, "eager", 3),
        "train, graph": lambda: measure_product(objective, data, values, "graph", epochs),
    }
    for way, run in ways.items():
        seconds, accuracy = run()
        rest = seconds[1:]
        found[way] = {"s": statistics.median(rest), "from": min(rest), "to": max(rest), "first": seconds[0]}
        print(
            f"{name:14} {way:15} {statistics.median(rest):.4f} s ({min(rest):.4f} to {max(rest):.4f}; first "
            f"{seconds[0]:.2f}), accuracy {accuracy:.4f}",
            flush=True,
        )
    for mode in ("eager", "graph") if seeds else ():
        runs = [measure_product(objective, data, values, mode, 3, seed)[1] for seed in range(seeds)]  # type: ignore[arg-type]
        error = statistics.stdev(runs) / len(runs) ** 0.5
        found[f"accuracy, {mode}"] = runs
        print(f"{name:14} {mode}: accuracy of {seeds} seeds {statistics.fmean(runs):.4f} ({error:.4f})", flush=True)
    return found
