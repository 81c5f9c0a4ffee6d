"""Retraining: a trial with another seed, the winner as in its trial, and the winner on all images for the score."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from optuna.trial import FrozenTrial
from safetensors import SafetensorError
from torch import nn

from objectives.base.errors import TrainingError
from objectives.core.reports import read_metrics
from objectives.core.run import build_network, train
from objectives.data.batches.examples import TrainValidation
from objectives.models.weights import load_packed, load_weights, pack_weights
from objectives.variants.snapshots import SnapshotCollector
from search.errors import SearchError
from search.evaluation import model_card
from search.evaluation.final_step import FinalStep
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.retraining import RetrainingPlan
from search.evaluation.selection import Winner
from search.evaluation.snapshots import load_snapshots, pack_snapshots
from search.evaluation.threads import use_threads_of
from search.statistics.curves import find_best_epoch
from storage.errors import StoreFailed
from storage.optuna_adapter import get_trial_id
from storage.records import checkpoints, ledger
from storage.records.blob_stores import open_store
from storage.records.ledger import Claim
from storage.records.networks import Network

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RetrainedNetwork:
    """The winner's network, the images it was trained on, and its weights as written to disk, with their hash."""

    model: nn.Module
    data: TrainValidation
    weights: bytes = field(repr=False)
    sha256: str
    snapshots: tuple[nn.Module, ...] = ()
    """The networks at the last dips of the learning rate, if a variant needs them."""
    snapshots_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrialNetwork:
    """The network of the winner's best epoch, trained on the training images alone, and those images."""

    model: nn.Module
    data: TrainValidation
    snapshots: tuple[nn.Module, ...] = ()
    """The networks at the last dips of the learning rate, if they were asked for."""


def train_as_in_trial(final_step: FinalStep, winner: Winner, snapshots: int = 0) -> TrialNetwork:
    """Return the winner's own network, with its last `snapshots` snapshots.

    It is loaded from the trial's checkpoint, or trained again if that cannot be loaded or has no snapshots.

    Raises:
        SearchError: the training failed.
    """
    data = final_step.load_data(merge_validation=False)
    model = None if snapshots else load_checkpoint(final_step, winner)
    if model is not None:
        return TrialNetwork(model=model, data=data)
    collector = SnapshotCollector(snapshots) if snapshots else None
    model = _train_winner(final_step, winner, data, winner.trial_seed, collector, replayed=False)
    return TrialNetwork(model=model, data=data, snapshots=() if collector is None else collector.build(model))


def train_with_seed(final_step: FinalStep, trial: FrozenTrial, data: TrainValidation, seed: int) -> tuple[float, int]:
    """Train a trial's configuration with another seed, for as many epochs as the search allows, on `data.train`.

    Returns the validation accuracy at the best epoch, comparable with a trial's value, and the first such epoch
    (0-based).

    Raises:
        Diverged, OutOfMemory: the configuration failed with this seed.
        SearchError: the objective's training reported nothing.
    """
    objective = final_step.objective
    accuracies: dict[int, float] = {}

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        accuracies[epoch] = read_metrics(epoch, metrics)["accuracy"]

    with use_threads_of(trial):
        train(
            objective,
            objective.space.replay(trial.params),
            data,
            report,
            epochs=final_step.spec.epochs,
            seed=seed,
            sources=final_step.load_sources(),
        )
    best = find_best_epoch(accuracies)
    if best is None:
        raise SearchError(
            f"the retraining of trial {trial.number} ended without a report; call `report` in the objective's `train`"
        )
    return accuracies[best], best


def retrain(
    final_step: FinalStep, winner: Winner, plan: RetrainingPlan, snapshots: int, earlier: Claim | None
) -> RetrainedNetwork:
    """Train the winner on training and validation images, and write its weights to the folder.

    plan: on which images; the winner has the number of epochs.
    snapshots: how many of the networks at dips of the learning rate are kept at most; 0 for none.
    earlier: the claim that an interrupted final step left. Its weights are loaded from the folder, or trained again.

    Raises:
        SearchError: the training failed.
        ScoreRefused: the claim's weights are neither in the folder nor what training produces again.
    """
    data = final_step.load_data(merge_validation=final_step.objective.retrain_on_validation, all_images=plan.all_images)
    if earlier is not None and final_step.objective.train is None:
        model = build_untrained(final_step, winner).to(final_step.device)
        claimed = _load_claimed(final_step, model, data, earlier)
        if claimed is not None:
            return claimed
    collector = SnapshotCollector(snapshots) if snapshots else None
    model = _train_winner(final_step, winner, data, winner.seed, collector, replayed=True)
    weights, sha256 = pack_weights(model)
    network = RetrainedNetwork(model=model, data=data, weights=weights, sha256=sha256)
    packed = b""
    if collector is not None:
        packed, snapshots_sha256 = pack_snapshots(members := collector.build(model))
        network = replace(network, snapshots=members, snapshots_sha256=snapshots_sha256)
    if earlier is not None and not _is_claimed(network, earlier):
        claimed = _load_claimed(final_step, model, data, earlier)
        if claimed is None:
            # Nothing is written: the folder may still have the claimed file under another name.
            raise ledger.build_refusal(final_step.spec.dataset, earlier.weights_sha256, sha256)
        return claimed
    if packed:
        model_card.write_whole(final_step.out / model_card.SNAPSHOTS_FILE, packed)
    model_card.write_whole(final_step.out / model_card.WEIGHTS_FILE, weights)
    return network


def pack_network(final_step: FinalStep, winner: Winner, network: RetrainedNetwork) -> Network:
    """Return the network before any variant, with all that is needed to build it again."""
    description = {
        "study": final_step.record.name,
        "objective": final_step.spec.objective,
        "model": final_step.objective.model,
        "configuration": winner.config.to_json(),
        "image_shape": list(network.data.image_shape),
        "classes": list(network.data.classes),
    }
    return Network(sha256=network.sha256, description=description, weights=network.weights)


def build_untrained(final_step: FinalStep, winner: Winner) -> nn.Module:
    """Build the winner's network with random weights; not for an objective with its own `train`."""
    plan = final_step.plan
    config = winner.config.replace(
        epochs=winner.epochs,
        seed=winner.seed,
        image_shape=plan.prepared.image_shape,
        classes=len(final_step.objective.classes or plan.prepared.classes),
    )
    return build_network(final_step.objective, config)


def _load_claimed(
    final_step: FinalStep, model: nn.Module, data: TrainValidation, claim: Claim
) -> RetrainedNetwork | None:
    """Load the weights in the folder into `model` if they are the claimed ones; return None if they are not."""
    weights = load_weights(final_step.out / model_card.WEIGHTS_FILE, model, claim.weights_sha256)
    if weights is None:
        return None
    network = RetrainedNetwork(model=model, data=data, weights=weights, sha256=claim.weights_sha256)
    sha256 = ClaimedWinner.from_json(claim.winner).snapshots_sha256
    if sha256 is None:
        return network
    snapshots = load_snapshots(final_step.out / model_card.SNAPSHOTS_FILE, model, sha256)
    return None if snapshots is None else replace(network, snapshots=snapshots, snapshots_sha256=sha256)


def _is_claimed(network: RetrainedNetwork, claim: Claim) -> bool:
    snapshots_sha256 = ClaimedWinner.from_json(claim.winner).snapshots_sha256
    return (network.sha256, network.snapshots_sha256) == (claim.weights_sha256, snapshots_sha256)


def load_checkpoint(final_step: FinalStep, winner: Winner) -> nn.Module | None:
    """Load the network that the winner's trial ended with; return None if it has no checkpoint to load."""
    found = checkpoints.find(final_step.engine, get_trial_id(winner.trial))
    if found is None or final_step.objective.train is not None:
        return None
    model = build_untrained(final_step, winner).to(final_step.device)
    try:
        content = checkpoints.load(open_store(final_step.settings.checkpoint_place), found)
        load_packed(content, model)
    except (StoreFailed, SafetensorError, RuntimeError) as error:
        _log.info("the winner is trained again because its checkpoint cannot be loaded: %s", error)
        return None
    return model


def _train_winner(
    final_step: FinalStep,
    winner: Winner,
    data: TrainValidation,
    seed: int,
    on_dip: SnapshotCollector | None = None,
    *,
    replayed: bool,
) -> nn.Module:
    """Train the winner; `replayed`: a schedule that looks at the metrics sees the trial's own once more."""
    with use_threads_of(winner.trial), _convert_errors(winner):
        return train(
            final_step.objective,
            winner.config,
            data,
            lambda epoch, metrics: None,
            epochs=winner.epochs,
            seed=seed,
            schedule_epochs=final_step.spec.epochs,
            recorded_losses=winner.losses if replayed else None,
            recorded_accuracies=winner.accuracies if replayed else None,
            sources=final_step.load_sources(),
            on_dip=on_dip,
        )


@contextmanager
def _convert_errors(winner: Winner) -> Iterator[None]:
    try:
        yield
    except TrainingError as error:
        raise SearchError(
            f"retraining the winner (trial {winner.trial.number}) failed: {error}; the test set was not opened"
        ) from error
