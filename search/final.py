"""The final step: retrain the winner, claim the ledger's row, open the test files, score once.

This module is the only one that imports `objectives.data.heldout`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from optuna.trial import FrozenTrial
from sqlalchemy import Connection
from torch import nn

from objectives.core.errors import TrainingError
from objectives.data import seal
from objectives.data.examples import Examples, TrainValidation, load
from objectives.data.heldout import open_heldout
from objectives.training.device import autocast
from objectives.training.loop import EVALUATION_BATCH
from objectives.training.run import build_network, train
from objectives.training.seeds import derive
from search import artifacts
from search.errors import NothingToDo, SearchError
from search.plan import Plan
from search.settings import Settings
from search.statistics import wilson_interval
from search.status import best_epoch, best_trial, finished
from spaces import Configuration
from storage import curves, ledger
from storage.database import Database
from storage.ledger import Claim
from storage.studies import StudyRecord


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best completed trial and what its retraining needs."""

    trial: FrozenTrial
    config: Configuration
    epochs: int
    trace: list[tuple[float, float]] | None
    """First and last learning rate of each epoch; None where the objective did not report them."""
    seed: int


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A study at its final step, on this machine."""

    database: Database
    record: StudyRecord
    plan: Plan
    settings: Settings
    device: torch.device
    out: Path


def score_once(finalist: Finalist, trials: list[FrozenTrial]) -> dict[str, Any]:
    """The study's one result: stored if it was scored before, else retrained, claimed and scored now.

    Of several processes that ask at once, one scores and the others wait and get the same. Until the claim is
    made, this process is sealed as a worker is: an objective's own code trains in it.

    Raises:
        NothingToDo: no trial has completed.
        ScoreRefused: the test set was claimed for other weights.
    """
    engine, record, settings = finalist.database.engine, finalist.record, finalist.settings
    dataset = finalist.plan.spec.dataset
    claimed = Event()
    seal.install(seal.sealed_paths(settings.data, settings.cache), until=claimed)
    with ledger.turn(engine, record.uuid, dataset) as connection:
        stored = ledger.result(engine, record.uuid, dataset)
        if stored is not None:
            return {**stored, "first_time": False}
        earlier = ledger.open_claim(engine, record.uuid, dataset)
        winner = find_winner(finalist, trials, earlier)
        model, data, sha256 = _retrained(finalist, winner, earlier)
        claim = Claim(weights_sha256=sha256, winner={"trial": winner.trial.number, "seed": winner.seed})
        ledger.claim(connection, record.uuid, record.name, dataset, claim)
        # Only now, with the row claimed for exactly these weights, may the test files be opened.
        claimed.set()
        result = _score(finalist, connection, winner, model, data, sha256)
        _write_down(finalist, winner, result, finished(trials))
        return {**result, "first_time": True}


def find_winner(finalist: Finalist, trials: list[FrozenTrial], earlier: Claim | None) -> Winner:
    """The best completed trial, replayed through the study's space; that of a claim made earlier stays.

    Raises:
        NothingToDo: no trial has completed, or the best has no curve to train again by.
    """
    if earlier is None:
        best = best_trial(trials)
    else:
        best = next(trial for trial in trials if trial.number == earlier.winner["trial"])
    last = None if best is None else best_epoch(best)
    if best is None or last is None:
        raise NothingToDo(
            f"study {finalist.record.name!r} has no completed trial; "
            f"train some with `search run --study {finalist.record.name}`"
        )
    curve = curves.read(finalist.database.engine, best._trial_id)
    rates = [(row.get("learning_rate"), row.get("learning_rate_end")) for row in curve[: last + 1]]
    complete = [(first, end) for first, end in rates if first is not None and end is not None]
    seed = int(best.user_attrs.get("seed", derive(finalist.plan.spec.seed, best.number)))
    return Winner(
        trial=best,
        config=finalist.plan.space.replay(best.params),
        epochs=last + 1,
        trace=complete if len(complete) == last + 1 else None,
        seed=derive(seed, "final"),
    )


def _retrained(
    finalist: Finalist, winner: Winner, earlier: Claim | None
) -> tuple[nn.Module, TrainValidation, str]:
    """The winner trained on train + validation, and saved; after a crash, the very weights claimed before it.

    Raises:
        ScoreRefused: a claim was made for weights that are neither in the folder nor what training gives again.
    """
    plan = finalist.plan
    objective = plan.found.objective
    data = load(plan.prepared, plan.split, finalist.device, merge_validation=True)
    if earlier is not None and objective.train is None:
        config = winner.config.replace(image_shape=data.image_shape, classes=len(data.classes))
        model = build_network(objective, config).to(finalist.device)
        if artifacts.load_weights(finalist.out, model, earlier.weights_sha256):
            return model, data, earlier.weights_sha256
    try:
        model = train(
            objective,
            winner.config,
            data,
            lambda epoch, metrics: None,
            epochs=winner.epochs,
            seed=winner.seed,
            trace=winner.trace,
        )
    except TrainingError as error:
        raise SearchError(
            f"retraining the winner (trial {winner.trial.number}) failed: {error}; the test set was not opened"
        ) from error
    weights, sha256 = artifacts.pack_weights(model)
    if earlier is not None and sha256 != earlier.weights_sha256:
        if artifacts.load_weights(finalist.out, model, earlier.weights_sha256):
            return model, data, earlier.weights_sha256
        # Nothing is written: the claimed file may lie there still, under another name.
        raise ledger.refused(plan.spec.dataset, earlier.weights_sha256, sha256)
    artifacts.write(finalist.out / artifacts.WEIGHTS, weights)
    return model, data, sha256


def _score(
    finalist: Finalist,
    connection: Connection,
    winner: Winner,
    model: nn.Module,
    data: TrainValidation,
    sha256: str,
) -> dict[str, Any]:
    plan, settings = finalist.plan, finalist.settings
    objective = plan.found.objective
    held_out = open_heldout(objective.data, settings.data, settings.cache, image_size=objective.image_size)
    examples = Examples(
        images_NHWC=torch.from_numpy(held_out.images).to(finalist.device),
        labels_N=torch.from_numpy(held_out.labels).to(finalist.device),
        mean=data.train.mean,
        std=data.train.std,
    )
    predicted, confidence = predict(model, examples, finalist)
    correct = int((predicted == held_out.labels).sum())
    validation = float(winner.trial.value or 0.0)
    outcome = {
        "study": finalist.record.name,
        "trial": winner.trial.number,
        "params": winner.trial.params,
        "validation_accuracy": validation,
        "test_accuracy": correct / len(examples),
        "test_interval_95": list(wilson_interval(correct, len(examples))),
        "selection_gap": validation - correct / len(examples),
        "test_examples": len(examples),
        "epochs": winner.epochs,
        "seed": winner.seed,
        "weights_sha256": sha256,
    }
    return ledger.complete(
        connection,
        finalist.record.uuid,
        plan.spec.dataset,
        outcome,
        test_sha256=held_out.fingerprint,
        predictions=pack(predicted, confidence),
    )


@torch.no_grad()
def predict(model: nn.Module, examples: Examples, finalist: Finalist) -> tuple[Any, Any]:
    """The predicted class (int64, N) and its probability (float32, N) of every example."""
    model.eval()
    classes, probabilities = [], []
    for x_BCHW, _ in examples.batches(EVALUATION_BATCH, order_seed=None):
        with autocast(finalist.device, finalist.plan.found.objective.precision):
            logits_BK = model(x_BCHW)
        best = logits_BK.float().softmax(dim=1).max(dim=1)
        classes.append(best.indices.cpu())
        probabilities.append(best.values.cpu())
    return torch.cat(classes).numpy(), torch.cat(probabilities).numpy()


def pack(predicted: Any, confidence: Any) -> bytes:
    """Predictions as they are stored: a record of little-endian int32 class and float32 probability each."""
    rows = np.empty(len(predicted), dtype=[("class", "<i4"), ("probability", "<f4")])
    rows["class"], rows["probability"] = predicted, confidence
    return rows.tobytes()


def _write_down(finalist: Finalist, winner: Winner, result: dict[str, Any], tried: int) -> None:
    spec = finalist.plan.spec
    facts = {
        "objective": spec.objective,
        "dataset": spec.dataset,
        "finished": tried,
        "versions": spec.versions,
    }
    artifacts.write_json(
        finalist.out / artifacts.CONFIGURATION,
        {
            **facts,
            "configuration": winner.config.to_json(),
            "result": result,
            "space_digest": spec.space_digest,
        },
    )
    artifacts.write(finalist.out / artifacts.CARD, artifacts.card(result, facts).encode())
