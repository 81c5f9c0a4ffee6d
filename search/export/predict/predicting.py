"""Predicting files in batches; a file that cannot be read costs no other its prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.data.files.errors import DataError
from search.errors import UsageError
from search.export.predict.inputs import holds_many, list_files, read_images
from search.export.predict.model import ExportedModel, sample_dropout

Pending = tuple[Path, int | None, NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class ClassProbability:
    """A class and how probable the network holds it."""

    label: str
    probability: float
    deviation: float | None = None
    """The standard deviation of the probability over predictions with dropout; None without --mc."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The most probable classes of one image, the most probable first."""

    file: str
    index: int | None
    """Which image of an array or row of a table, from 0; None for an image file."""
    classes: tuple[ClassProbability, ...]


@dataclass(frozen=True, kw_only=True)
class UnreadFile:
    """A file that could not be predicted."""

    file: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a network predicts for some files."""

    model: str
    """The folder."""
    study: str
    trial: int
    labels: tuple[str, ...]
    """All classes."""
    predictions: tuple[Prediction, ...]
    errors: tuple[UnreadFile, ...]

    def to_json(self) -> dict[str, object]:
        """Return the document that `search predict --json` prints."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """How to predict."""

    top: int = 3
    """How many classes to tell of each image; 0 for all."""
    batch_size: int = 256
    samples: int | None = None
    """Predictions with dropout to average; None to predict once without dropout."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.top < 0:
            raise UsageError(f"--top takes how many classes to show, or 0 for all, but got {self.top}")
        if self.batch_size < 1:
            raise UsageError(f"--batch-size must be at least 1, but got {self.batch_size}")


def predict_files(
    model: ExportedModel,
    folder: Path,
    paths: Sequence[Path],
    request: PredictionRequest,
    progress: Callable[[int, int], None],
) -> Predictions:
    """Predict every image of the files, in the order given.

    progress: called with how many files are read and how many there are.

    Raises:
        UsageError: dropout is to be sampled, and the network has none.
    """
    files = list(list_files(paths))
    errors: list[UnreadFile] = []
    predict = _choose(model, request)
    pending = _read_all(model, files, errors, progress)
    found: list[Prediction] = []
    while batch := list(islice(pending, request.batch_size)):
        images = torch.from_numpy(np.stack([image for _, _, image in batch]))
        probabilities, deviations = predict(images.to(request.device))
        top = request.top or len(model.labels)
        found += [
            _describe(
                path, index, model.labels, probabilities[row], None if deviations is None else deviations[row], top
            )
            for row, (path, index, _) in enumerate(batch)
        ]
    return Predictions(
        model=str(folder),
        study=model.study,
        trial=model.trial,
        labels=model.labels,
        predictions=tuple(found),
        errors=tuple(errors),
    )


def _read_all(
    model: ExportedModel, files: Sequence[Path], errors: list[UnreadFile], progress: Callable[[int, int], None]
) -> Iterator[Pending]:
    """Yield every image with its file; note the files that cannot be read."""
    for number, path in enumerate(files):
        progress(number, len(files))
        try:
            images = read_images(path, model.preprocessing)
        except DataError as error:
            errors.append(UnreadFile(file=str(path), error=str(error)))
            continue
        for index, image in enumerate(images):
            yield path, index if holds_many(path) else None, image
    progress(len(files), len(files))


def _choose(model: ExportedModel, request: PredictionRequest) -> Callable[[Tensor], tuple[Tensor, Tensor | None]]:
    """Return what predicts a batch: the probabilities and, with dropout, their deviations, (B, K) each, on the CPU."""
    network = model.network.to(request.device)
    if request.samples is not None:
        sampled = sample_dropout(model, request.samples)

        def sample(images: Tensor) -> tuple[Tensor, Tensor | None]:
            mean_BK, deviation_BK = sampled.predict_moments(network.prepare(images))
            return mean_BK.cpu(), deviation_BK.cpu()

        return sample

    @torch.no_grad()
    def predict(images: Tensor) -> tuple[Tensor, Tensor | None]:
        return network(images).cpu(), None

    return predict


def _describe(
    path: Path, index: int | None, labels: Sequence[str], probabilities: Tensor, deviations: Tensor | None, top: int
) -> Prediction:
    order = probabilities.argsort(descending=True, stable=True)[:top].tolist()
    classes = (
        ClassProbability(
            label=labels[number],
            probability=float(probabilities[number]),
            deviation=None if deviations is None else float(deviations[number]),
        )
        for number in order
    )
    return Prediction(file=str(path), index=index, classes=tuple(classes))
