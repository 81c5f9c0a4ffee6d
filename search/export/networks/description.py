"""What `config.json` of a model folder says: how to build the network again, and how to prepare its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from search.export.networks.found import FoundNetwork

FORMAT = "depthsearch-model/1"
LAYOUT = "uint8 images (batch, height, width, channels)"


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How images become a network's input; `model.pt2` does what follows the resizing by itself."""

    height: int
    width: int
    channels: int
    """1 for grayscale, 3 for RGB."""
    resize: int | None
    """To how many pixels the shorter side is resized before the centre is cropped; None if nothing is resized."""
    mean: tuple[float, ...]
    """Of each channel, for pixels from 0 to 1."""
    std: tuple[float, ...]
    layout: str = LAYOUT

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Preprocessing:
        """Return what `config.json` has.

        Raises:
            KeyError, TypeError, ValueError: it is not what an export writes.
        """
        height, width, channels = (int(document[name]) for name in ("height", "width", "channels"))
        mean, std = (tuple(map(float, document[name])) for name in ("mean", "std"))
        resize = None if document["resize"] is None else int(document["resize"])
        if min(height, width) < 1 or channels not in (1, 3) or not len(mean) == len(std) == channels:
            raise ValueError(f"images of {height}x{width}x{channels} cannot be prepared")
        return cls(height=height, width=width, channels=channels, resize=resize, mean=mean, std=std)


def describe_preprocessing(network: FoundNetwork) -> Preprocessing:
    """Return how the network's images are prepared."""
    channels, height, width = network.data.image_shape
    return Preprocessing(
        height=height,
        width=width,
        channels=channels,
        resize=network.final_step.objective.image_size,
        mean=tuple(network.data.train.mean),
        std=tuple(network.data.train.std),
    )


def describe_network(network: FoundNetwork) -> dict[str, object]:
    """Return the content of `config.json`."""
    spec, winner, score = network.final_step.spec, network.winner, network.score
    return {
        "format": FORMAT,
        "study": network.final_step.record.name,
        "trial": winner.trial.number,
        "objective": spec.objective,
        "objective_hash": spec.objective_hash,
        "dataset": spec.dataset,
        "model": network.final_step.objective.model,
        "configuration": winner.config.to_json(),
        "epochs": winner.epochs,
        "seed": winner.trial_seed if score is None else winner.seed,
        "labels": list(network.data.classes),
        "preprocessing": asdict(describe_preprocessing(network)),
        "variants": list(network.variants),
        "variants_left_out": list(network.left_out),
        "parameters": sum(each.numel() for each in network.checked.standalone.model.parameters()),
        "weights_sha256": network.sha256,
        "validation_accuracy": winner.trial.value,
        # As a status has it: the file does not depend on which command made the score.
        "result": None if score is None else replace(score, first_time=None).to_json(),
        "space_digest": spec.space_digest,
        "versions": dict(spec.versions),
    }
