"""An exported network, built again by this program's own code; nothing in the folder is run or unpickled."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from objectives.base.errors import ObjectiveError, first_line
from objectives.base.names import parse_name
from objectives.base.registry import look_up
from objectives.core.run import build_network
from objectives.discovery import FoundObjective, find_named, find_objective
from objectives.models.catalogue import MODELS
from objectives.models.weights import load_packed
from objectives.variants.apply import apply_variants
from objectives.variants.dropout import McDropout
from search.errors import SearchError, UsageError
from search.evaluation.model_card import CONFIGURATION_FILE, WEIGHTS_FILE
from search.evaluation.variant_args import parse_variants
from search.export.networks.preprocessing import FORMAT, Preprocessing
from search.export.networks.standalone import StandaloneNetwork
from spaces import Choice, Configuration
from spaces.errors import SpaceError

LARGEST_CONFIGURATION_BYTES = 16 * 2**20
TENSOR_BYTES = 40
"""What a tensor takes in a safetensors file at least, beside its numbers."""
LARGEST_HEADER_BYTES = 2**27
LONGEST_NUMBER_BYTES = 16
"""Of a parameter, with what belongs to it but is none, such as the statistics of a normalization."""


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """A network that was exported, ready to predict."""

    study: str
    trial: int
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    is_scored: bool
    """Whether its study's test set was scored, so that its test images are no secret any more."""
    network: StandaloneNetwork


def load_model(folder: Path, objective: str | None = None) -> ExportedModel:
    """Return the network of a model folder.

    objective: the file or name of the objective whose `build_model` makes the network; None for a shipped network.

    Raises:
        UsageError: the folder is none that an export wrote, or the objective is needed and missing, or is another.
        SearchError: its files were changed, or do not fit one another.
        ObjectiveError: there is no such objective.
    """
    document = _read_configuration(folder)
    try:
        preprocessing = Preprocessing.from_json(document["preprocessing"])
        labels = tuple(str(each) for each in document["labels"])
        if not labels:
            raise ValueError("it has no labels")
        model = _build(folder, document, preprocessing, labels, objective)
        variants = parse_variants([str(each) for each in document["variants"]])
        _load_weights(folder, str(document["weights_sha256"]), model)
        return ExportedModel(
            study=str(document["study"]),
            trial=int(document["trial"]),
            labels=labels,
            preprocessing=preprocessing,
            is_scored=document["result"] is not None,
            network=wrap(apply_variants(model.eval(), variants), preprocessing),
        )
    except (KeyError, TypeError, ValueError, RecursionError, SpaceError) as error:
        raise SearchError(
            f"{folder / CONFIGURATION_FILE} was changed: {type(error).__name__}: {first_line(error)[:200]}; export the "
            "model again"
        ) from None


def wrap(model: nn.Module, preprocessing: Preprocessing) -> StandaloneNetwork:
    """Return the network with its preprocessing in front, in evaluation mode."""
    images = preprocessing
    shape = images.height, images.width, images.channels
    return StandaloneNetwork(model, mean=images.mean, std=images.std, shape=shape).eval()


def sample_dropout(model: ExportedModel, samples: int) -> McDropout:
    """Return the network as one that predicts with dropout.

    Raises:
        UsageError: the network has no dropout, or there are fewer than two samples.
    """
    if samples < 2:
        raise UsageError(f"--mc takes the number of predictions with dropout, 2 or more, but got {samples}")
    try:
        return McDropout(model.network.model, samples=samples)
    except ObjectiveError:
        raise UsageError(
            f"--mc needs a network with dropout, and trial {model.trial} of study {model.study!r} has none; leave --mc "
            "out"
        ) from None


def _read_configuration(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIGURATION_FILE
    try:
        if path.is_fifo():
            raise OSError(errno.EINVAL, "it is a named pipe")
        with path.open("rb") as file:
            document = json.loads(file.read(LARGEST_CONFIGURATION_BYTES))
        known = document["format"] == FORMAT
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}); --model takes a folder that `search export --format model` "
            "wrote"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise UsageError(
            f"{folder} is no folder of this program's `search export --format model` ({CONFIGURATION_FILE} does not "
            f"say {FORMAT!r}); export the model again"
        )
    found: Mapping[str, Any] = document
    return found


def _build(
    folder: Path,
    document: Mapping[str, Any],
    images: Preprocessing,
    labels: tuple[str, ...],
    objective: str | None,
) -> nn.Module:
    shape = images.channels, images.height, images.width
    config = Configuration({name: _read_value(value) for name, value in document["configuration"].items()})
    try:
        if document["model"] is not None:
            entry = look_up(MODELS, str(document["model"]), "model")
            build = partial(entry.build, config.into(entry.config), shape, len(labels))
            _check_size(folder / WEIGHTS_FILE, build)
            return build()
        found = _find_objective(document, objective)
        if found.objective.train is not None:
            raise UsageError(
                f"objective {found.name!r} has its own `train`, which makes its networks; none is built here"
            )
        more = {name: int(document[name]) for name in ("epochs", "seed")}
        return build_network(found.objective, config.replace(**more, image_shape=shape, classes=len(labels)))
    except (RuntimeError, MemoryError) as error:
        raise SearchError(f"the network of {folder} cannot be built ({first_line(error)[:200]})") from None


def _check_size(weights: Path, build: Callable[[], nn.Module]) -> None:
    """Refuse a configuration of a network larger than the file of its weights: building it could take all memory.

    Building ends with the first parameter too many: a million small layers would take long, too.
    """
    there = weights.stat().st_size if weights.is_file() else 0
    size = tensors = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal size, tensors
        if parameter is not None:
            size, tensors = size + parameter.numel(), tensors + 1
            if size + TENSOR_BYTES * tensors > there:
                raise ValueError(
                    f"its network has {size} parameters in {tensors} tensors or more, too many for the {there} bytes "
                    f"of {weights.name}"
                )

    counting = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            build()
    finally:
        counting.remove()
    if there > LARGEST_HEADER_BYTES + LONGEST_NUMBER_BYTES * size:
        raise ValueError(f"its network has {size} parameters, too few for the {there} bytes of {weights.name}")


def _read_value(value: Any) -> object:
    """Return a value as a configuration has it: what has a name and options is a choice."""
    if not isinstance(value, dict):
        return value
    options = {name: _read_value(each) for name, each in value.items() if name != "name"}
    return Choice(str(value["name"]), options)


def _find_objective(document: Mapping[str, Any], reference: str | None) -> FoundObjective:
    """Return the objective that the user names, or an installed one; its code must be what trained the network."""
    name = parse_name(document["objective"])
    try:
        found = find_named(name) if reference is None else find_objective(reference)
    except ObjectiveError as error:
        if reference is not None:
            raise UsageError(str(error)) from None
        raise UsageError(
            f"the network is made by the `build_model` of objective {name!r}, which is not in the folder; name its "
            "file with --objective PATH, or use model.pt2, which needs PyTorch alone"
        ) from None
    if found.source_hash != document["objective_hash"]:
        raise UsageError(
            f"{found.path} is not as it was when the network was trained; name that version with --objective PATH, or "
            "use model.pt2, which needs PyTorch alone"
        )
    return found


def _load_weights(folder: Path, sha256: str, model: nn.Module) -> None:
    path = folder / WEIGHTS_FILE
    try:
        weights = path.read_bytes()
        if hashlib.sha256(weights).hexdigest() != sha256:
            raise SearchError(f"{path} was changed: its SHA-256 is not that in {CONFIGURATION_FILE}; export it again")
        with torch.no_grad():
            load_packed(weights, model)
    except OSError as error:
        raise SearchError(f"{path} cannot be read ({error.strerror}); export the model again") from None
    except (RuntimeError, SafetensorError) as error:
        raise SearchError(
            f"{path} does not fit the network of {CONFIGURATION_FILE} ({first_line(error)[:200]}); export it again"
        ) from None
