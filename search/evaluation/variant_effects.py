"""What variants do to the winner on validation images, measured before anything is retrained or claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from objectives.base.device import Precision
from objectives.data.batches.examples import TrainValidation
from objectives.training.evaluation import evaluate
from objectives.variants.apply import apply_one_by_one, apply_variants
from objectives.variants.dropout import McDropout
from objectives.variants.pruning import measure_sparsity
from search.evaluation.final_step import FinalStep
from search.evaluation.metrics import predict
from search.evaluation.results.abstention import AbstentionPoint, measure_abstention
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.variants import MeasuredVariants, VariantEffect
from search.evaluation.retraining import build_untrained, train_as_in_trial
from search.evaluation.selection import Winner, find_winner
from search.evaluation.snapshots import check_dips, count_snapshots
from search.evaluation.variant_args import format_variants
from spaces import Choice
from storage.records import ledger


def measure_variants(final_step: FinalStep) -> MeasuredVariants:
    """Measure the effects of the requested variants, without retraining, claiming or reading the test set.

    Raises:
        NothingToDo: no trial has completed.
        ObjectiveError: a variant does not fit the winner's network.
    """
    winner = find_winner(final_step, _find_claimed_trial(final_step))
    variants = final_step.variants or ()
    return MeasuredVariants(
        study=final_step.record.name,
        trial=winner.trial.number,
        variants=format_variants(variants),
        variant_effects=measure_effects(final_step, winner, variants),
    )


def measure_effects(final_step: FinalStep, winner: Winner, variants: Sequence[Choice]) -> tuple[VariantEffect, ...]:
    """Measure the winner's own network on validation images: as it is, then with each variant applied after the last.

    Raises:
        ObjectiveError: a variant does not fit the winner's network.
        SearchError: the training failed.
    """
    if final_step.objective.train is None:
        # A variant that does not fit is found here, before anything is trained.
        untrained = build_untrained(final_step, winner)
        apply_variants(untrained, variants, [untrained, untrained])
    check_dips(final_step, winner, variants)
    trained = train_as_in_trial(final_step, winner, count_snapshots(variants))
    names = [None, *format_variants(variants)]
    networks = apply_one_by_one(trained.model, variants, trained.snapshots)
    return tuple(
        _measure(name, network, trained.data, final_step.objective.precision)
        for name, network in zip(names, networks, strict=True)
    )


def _find_claimed_trial(final_step: FinalStep) -> int | None:
    """Return the trial that the test set is claimed for; None without a claim, or if a reopening makes another one."""
    claim = ledger.find_claim(final_step.engine, final_step.record.uuid, final_step.spec.dataset)
    if claim is None or final_step.reopening is not None:
        return None
    return ClaimedWinner.from_json(claim.winner).trial


def _measure(variant: str | None, model: nn.Module, data: TrainValidation, precision: Precision) -> VariantEffect:
    found = evaluate(model, data.validation, precision)
    deviation, abstention = _measure_uncertainty(model, data, precision)
    return VariantEffect(
        variant=variant,
        validation_accuracy=found["accuracy"],
        # Neither JSON nor the storage can hold infinity or NaN.
        validation_loss=found["loss"] if math.isfinite(found["loss"]) else None,
        zeros=measure_sparsity(model),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        mean_deviation=deviation,
        abstention=abstention,
    )


def _measure_uncertainty(
    model: nn.Module, data: TrainValidation, precision: Precision
) -> tuple[float | None, tuple[AbstentionPoint, ...]]:
    """Return the mean deviation and the accuracy over the most certain images; nothing if the network samples none."""
    if not isinstance(model, McDropout):
        return None, ()
    predictions = predict(model, data.validation, precision)
    correct_N = predictions.classes_N == data.validation.labels.cpu().numpy()
    return predictions.mean_deviation, measure_abstention(correct_N, predictions.certainty_N)
