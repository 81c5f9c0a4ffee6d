"""What variants do to the winner, on validation data: measured before anything is retrained or claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial
from torch import nn

from objectives.data import seal
from objectives.data.batches.examples import TrainValidation
from objectives.training.loop import evaluate
from objectives.variants.apply import apply_one_by_one, apply_variants
from objectives.variants.pruning import sparsity
from search.evaluation.retraining import build_untrained, train_as_in_trial
from search.evaluation.selection import FinalStep, Winner, find_winner
from search.evaluation.variant_args import format_variant
from spaces import Choice
from storage.records import ledger


def measure_variants(final_step: FinalStep, trials: list[FrozenTrial]) -> dict[str, Any]:
    """The effects of the finalist's variants, and nothing more: no retraining, no claim, no test file.

    Raises:
        NothingToDo: no trial has completed.
        ObjectiveError: a variant does not fit the winner's network.
    """
    record, settings = final_step.record, final_step.settings
    seal.install(seal.find_sealed_paths(settings.data, settings.cache))
    claimed = ledger.open_claim(final_step.database.engine, record.uuid, final_step.plan.spec.dataset)
    earlier = claimed if final_step.reopening is None else None
    winner = find_winner(final_step, trials, earlier)
    variants = final_step.variants or ()
    return {
        "study": record.name,
        "trial": winner.trial.number,
        "variants": [format_variant(variant) for variant in variants],
        "variant_effects": measure_effects(final_step, winner, variants),
    }


def measure_effects(final_step: FinalStep, winner: Winner, variants: Sequence[Choice]) -> list[dict[str, Any]]:
    """The winner's own network on validation data: as it is, then with each variant on top of those before.

    Raises:
        ObjectiveError: a variant does not fit the winner's network.
        SearchError: the training failed.
    """
    if final_step.plan.found.objective.train is None:
        apply_variants(
            build_untrained(final_step, winner), variants
        )  # what does not fit is known before anything is trained
    model, data = train_as_in_trial(final_step, winner)
    precision = final_step.plan.found.objective.precision
    names = [None, *map(format_variant, variants)]
    networks = apply_one_by_one(model, variants)
    return [
        {"variant": name, **_evaluate(network, data, precision)} for name, network in zip(names, networks, strict=True)
    ]


def _evaluate(model: nn.Module, data: TrainValidation, precision: Any) -> dict[str, Any]:
    found = evaluate(model, data.validation, precision)
    return {
        "validation_accuracy": found["accuracy"],
        # JSON, and so the storage, knows neither infinity nor NaN.
        "validation_loss": found["loss"] if math.isfinite(found["loss"]) else None,
        "zeros": sparsity(model),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
