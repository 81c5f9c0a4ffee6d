"""What `config.json` of a model folder says: how to build the network again, and how to prepare its images."""

from __future__ import annotations

from dataclasses import asdict, replace

from search.export.networks.found import FoundNetwork
from search.export.networks.preprocessing import FORMAT, Preprocessing


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
