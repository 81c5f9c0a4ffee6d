"""What variants do to the winner, on validation data: measured before anything is retrained or claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial
from torch import nn

from objectives.data import seal
from objectives.data.examples import TrainValidation
from objectives.training.loop import evaluate
from objectives.variants.chain import prefixes, varied
from objectives.variants.pruning import sparsity
from search.retraining import as_in_its_trial, untrained
from search.variants import written
from search.winner import Finalist, Winner, find_winner
from spaces import Choice
from storage import ledger


def measure(finalist: Finalist, trials: list[FrozenTrial]) -> dict[str, Any]:
    """The effects of the finalist's variants, and nothing more: no retraining, no claim, no test file.

    Raises:
        NothingToDo: no trial has completed.
        ObjectiveError: a variant does not fit the winner's network.
    """
    record, settings = finalist.record, finalist.settings
    seal.install(seal.sealed_paths(settings.data, settings.cache))
    claimed = ledger.open_claim(finalist.database.engine, record.uuid, finalist.plan.spec.dataset)
    earlier = claimed if finalist.reopening is None else None
    winner = find_winner(finalist, trials, earlier)
    variants = finalist.variants or ()
    return {
        "study": record.name,
        "trial": winner.trial.number,
        "variants": [written(variant) for variant in variants],
        "variant_effects": effects(finalist, winner, variants),
    }


def effects(finalist: Finalist, winner: Winner, variants: Sequence[Choice]) -> list[dict[str, Any]]:
    """The winner's own network on validation data: as it is, then with each variant on top of those before.

    Raises:
        ObjectiveError: a variant does not fit the winner's network.
        SearchError: the training failed.
    """
    if finalist.plan.found.objective.train is None:
        varied(untrained(finalist, winner), variants)  # what does not fit is known before anything is trained
    model, data = as_in_its_trial(finalist, winner)
    precision = finalist.plan.found.objective.precision
    names = [None, *map(written, variants)]
    networks = prefixes(model, variants)
    return [
        {"variant": name, **_measured(network, data, precision)}
        for name, network in zip(names, networks, strict=True)
    ]


def _measured(model: nn.Module, data: TrainValidation, precision: Any) -> dict[str, Any]:
    found = evaluate(model, data.validation, precision)
    return {
        "validation_accuracy": found["accuracy"],
        # JSON, and so the storage, knows neither infinity nor NaN.
        "validation_loss": found["loss"] if math.isfinite(found["loss"]) else None,
        "zeros": sparsity(model),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
