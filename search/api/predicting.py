"""Predictions of an exported network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from objectives.base.device import resolve_devices
from objectives.data import seal
from search.export.predict.model import load_model
from search.export.predict.predicting import PredictionRequest, Predictions, predict_files
from search.settings import Settings

__all__ = ["PredictionRequest", "predict"]


def predict(
    folder: Path,
    files: Sequence[Path],
    request: PredictionRequest,
    settings: Settings,
    progress: Callable[[int, int], None],
    objective: str | None = None,
) -> Predictions:
    """Predict files with the network of a model folder, in this process; no storage is opened.

    A network that was not scored predicts no test image: this process is sealed against test files then.

    objective: the objective whose `build_model` makes the network, if it is not shipped.

    Raises:
        UsageError: the folder is no model's, or the request does not fit it.
        SearchError: the folder's files were changed.
    """
    model = load_model(folder, objective)
    if not model.is_scored:
        seal.install(seal.find_sealed_paths(settings.data, settings.cache))
    device = resolve_devices(settings.device)[0]
    return predict_files(model, folder, files, replace(request, device=device), progress)
