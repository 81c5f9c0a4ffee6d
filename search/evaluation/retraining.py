"""Training again: a trial with another seed, to choose by; the winner as its trial was; and on all there is."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from optuna.trial import FrozenTrial
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from objectives.base.errors import Diverged, TrainingError
from objectives.core.run import build_network, train
from objectives.data.batches.examples import TrainValidation, load
from objectives.models.weights import load_weights, pack_weights
from search.curves import find_best_epoch
from search.errors import SearchError
from search.evaluation import model_card
from search.evaluation.selection import FinalStep, Winner
from search.study.source_networks import fetch_sources
from storage.blob_stores import open_store
from storage.errors import StoreFailed
from storage.optuna_adapter import get_trial_id
from storage.records import checkpoints, ledger
from storage.records.ledger import Claim

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RetrainedNetwork:
    """The winner's network, the data it was trained on, its weights as they are written and their hash."""

    model: nn.Module
    data: TrainValidation
    weights: bytes = field(repr=False)
    sha256: str


def train_as_in_trial(final_step: FinalStep, winner: Winner) -> tuple[nn.Module, TrainValidation]:
    """The network of the winner's best epoch, trained on the training part alone.

    It is the one that the trial left among the checkpoints or, where that is out of reach, the same curve again.

    Raises:
        SearchError: the training failed.
    """
    data = load_data(final_step, merge_validation=False)
    kept = _load_kept(final_step, winner)
    if kept is not None:
        return kept, data
    with _threads(winner.trial), _explained(winner):
        return _train(final_step, winner, data, winner.trial_seed, None), data


def train_with_seed(final_step: FinalStep, trial: FrozenTrial, data: TrainValidation, seed: int) -> tuple[float, int]:
    """A trial's configuration trained as far as the search would, on `data.train`: a value like the trial's own.

    Returns the validation accuracy at the best epoch, and the first such epoch (0-based).

    Raises:
        Diverged, OutOfMemory: what the configuration did to itself with this seed.
        SearchError: the objective's training reported nothing.
    """
    spec, objective = final_step.plan.spec, final_step.plan.found.objective
    accuracies: dict[int, float] = {}

    def report(epoch: int, metrics: Mapping[str, float]) -> None:
        if not math.isfinite(metrics["accuracy"]):  # a training of the user's own may not look
            raise Diverged(f"accuracy became {metrics['accuracy']} in epoch {epoch}")
        accuracies[epoch] = float(metrics["accuracy"])

    with _threads(trial):
        train(
            objective,
            objective.space.replay(trial.params),
            data,
            report,
            epochs=spec.epochs,
            seed=seed,
            sources=fetch_sources(final_step.database.engine, final_step.record.name, spec, objective),
        )
    best = find_best_epoch(accuracies)
    if best is None:
        raise SearchError(f"trial {trial.number}, trained again, ended without a report; mend the objective")
    return accuracies[best], best


def _load_kept(final_step: FinalStep, winner: Winner) -> nn.Module | None:
    """The network that the winner's trial ended with; None where it is not kept or cannot be had."""
    found = checkpoints.find(final_step.database.engine, get_trial_id(winner.trial))
    if found is None or final_step.plan.found.objective.train is not None:
        return None
    model = build_untrained(final_step, winner).to(final_step.device)
    try:
        content = checkpoints.load(open_store(final_step.settings.checkpoint_place), found)
        model.load_state_dict(load_safetensors(content))
    except (StoreFailed, SafetensorError, RuntimeError) as error:
        _log.info("the winner is trained again, for its network is not at hand: %s", error)
        return None
    return model


def retrain(final_step: FinalStep, winner: Winner, earlier: Claim | None) -> RetrainedNetwork:
    """The winner trained on train + validation, and saved; after a crash, the very weights claimed before it.

    Raises:
        SearchError: the training failed.
        ScoreRefused: a claim was made for weights that are neither in the folder nor what training gives again.
    """
    objective, out = final_step.plan.found.objective, final_step.out
    data = load_data(final_step, merge_validation=objective.retrain_on_validation)
    if earlier is not None and objective.train is None:
        model = build_untrained(final_step, winner).to(final_step.device)
        claimed = load_weights(out / model_card.WEIGHTS_FILE, model, earlier.weights_sha256)
        if claimed is not None:
            return RetrainedNetwork(model=model, data=data, weights=claimed, sha256=earlier.weights_sha256)
    with _threads(winner.trial), _explained(winner):
        model = _train(final_step, winner, data, winner.seed, winner.trace)
    weights, sha256 = pack_weights(model)
    if earlier is not None and sha256 != earlier.weights_sha256:
        claimed = load_weights(out / model_card.WEIGHTS_FILE, model, earlier.weights_sha256)
        if claimed is None:
            # Nothing is written: the claimed file may lie there still, under another name.
            raise ledger.refusal(final_step.plan.spec.dataset, earlier.weights_sha256, sha256)
        return RetrainedNetwork(model=model, data=data, weights=claimed, sha256=earlier.weights_sha256)
    model_card.write_whole(out / model_card.WEIGHTS_FILE, weights)
    return RetrainedNetwork(model=model, data=data, weights=weights, sha256=sha256)


def build_untrained(final_step: FinalStep, winner: Winner) -> nn.Module:
    """The winner's network with weights from chance; not for an objective with a `train` of its own."""
    plan = final_step.plan
    config = winner.config.replace(
        epochs=winner.epochs,
        seed=winner.seed,
        image_shape=plan.prepared.image_shape,
        classes=len(plan.found.objective.classes or plan.prepared.classes),
    )
    return build_network(plan.found.objective, config)


def load_data(final_step: FinalStep, *, merge_validation: bool) -> TrainValidation:
    """The study's training and validation images on this machine's device."""
    plan = final_step.plan
    return load(
        plan.prepared,
        plan.split,
        final_step.device,
        classes=plan.found.objective.classes,
        merge_validation=merge_validation,
    )


def _train(
    final_step: FinalStep,
    winner: Winner,
    data: TrainValidation,
    seed: int,
    trace: list[tuple[float, float]] | None,
) -> nn.Module:
    spec, objective = final_step.plan.spec, final_step.plan.found.objective
    return train(
        objective,
        winner.config,
        data,
        lambda epoch, metrics: None,
        epochs=winner.epochs,
        seed=seed,
        schedule_epochs=spec.epochs,
        trace=trace,
        sources=fetch_sources(final_step.database.engine, final_step.record.name, spec, objective),
    )


@contextmanager
def _explained(winner: Winner) -> Iterator[None]:
    try:
        yield
    except TrainingError as error:
        raise SearchError(
            f"retraining the winner (trial {winner.trial.number}) failed: {error}; the test set was not opened"
        ) from error


@contextmanager
def _threads(trial: FrozenTrial) -> Iterator[None]:
    """As many threads as the trial had: with more or fewer, sums are added up in another order.

    Nor is a network of this size faster with all cores: beside other work it waits for the slowest at every step.
    """
    before = torch.get_num_threads()
    recorded = re.search(r"(\d+) threads$", str(trial.user_attrs.get("hardware", "")))
    torch.set_num_threads(int(recorded[1]) if recorded else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
