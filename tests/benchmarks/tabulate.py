"""Trains every point of a grid and writes the table of their curves: what a comparison of policies replays."""

from __future__ import annotations

import contextlib
import gc
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from objectives.base.errors import Diverged
from objectives.base.seeds import derive_seed
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.splits.divide import split_data
from spaces import Scalar
from tests.benchmarks.curves import Curve, grid, key, parameters, points
from tests.benchmarks.families import FAMILIES


def make(
    path: Path,
    *,
    family: str,
    most: int,
    epochs: int,
    seed: int,
    classes: Sequence[str] | None,
    progress: Callable[[int, int], None],
) -> None:
    """Train the grid of a family and write the table, on one thread.

    most: how many levels of each parameter, the first ones. classes: digits to tell apart, by name; None for all ten.
    progress: called with how many points are trained, of how many.
    """
    torch.set_num_threads(1)
    objective = FAMILIES[family].objective
    levels = {name: values[:most] for name, values in FAMILIES[family].levels.items()}
    wanted = list(points(grid(objective.space, {name: len(values) for name, values in levels.items()})))
    accuracies, seconds = np.full((len(wanted), epochs), np.nan, np.float32), np.zeros(len(wanted), np.float32)
    data = _data(objective, seed, classes)
    _trained(objective, parameters(levels, wanted[0]), data, 1, seed)  # the first training pays for imports
    # Every training collects garbage first; what is there for good need not be looked through each time.
    gc.freeze()
    for number, point in enumerate(wanted):
        curve = _trained(objective, parameters(levels, point), data, epochs, derive_seed(seed, "curves", number))
        accuracies[number, : len(curve.accuracies)] = curve.accuracies
        seconds[number] = curve.seconds
        progress(number + 1, len(wanted))
    gc.unfreeze()
    about = {
        "family": family,
        "levels": levels,
        "classes": data.classes,
        "examples": [len(data.train), len(data.validation)],
        "seed": seed,
        "versions": f"torch {torch.__version__}, {platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }
    texts = np.array([key(point) for point in wanted])
    with path.open("wb") as file:
        np.savez_compressed(
            file, points=texts, accuracies=accuracies, seconds=seconds, about=np.array(json.dumps(about))
        )


def _data(objective: Objective, seed: int, classes: Sequence[str] | None) -> TrainValidation:
    with TemporaryDirectory() as folder:
        prepared = prepare(objective.data, Path(folder), Path(folder))
        parts = split_data(prepared, objective.validation_fraction, seed, None, classes)
        return load(prepared, parts, "cpu", classes=classes)


def _trained(
    objective: Objective, values: Mapping[str, Scalar], data: TrainValidation, epochs: int, seed: int
) -> Curve:
    found: list[float] = []
    started = time.process_time()  # what else the machine does is no part of the table
    with contextlib.suppress(Diverged):  # the curve ends there, as it would in a study
        train(
            objective,
            objective.space.replay(values),
            data,
            lambda epoch, metrics: found.append(metrics["accuracy"]),
            epochs=epochs,
            seed=seed,
        )
    return Curve(accuracies=found, seconds=(time.process_time() - started) / max(1, len(found)))
