"""Scoring: choose and retrain the winner, claim the test set in the ledger, open its files, and score them once.

No other module imports `objectives.data.heldout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event

import torch
from sqlalchemy import Connection
from torch import nn

from objectives.data import seal
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.data.heldout import open_heldout
from objectives.variants.apply import apply_variants
from search.evaluation.confirmation import confirm
from search.evaluation.final_step import FinalStep
from search.evaluation.metrics import Metrics, compute_metrics, pack_predictions, predict
from search.evaluation.reopening import Attempt, next_attempt
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Outcome, Score
from search.evaluation.results.stored import read_score
from search.evaluation.retraining import RetrainedNetwork, retrain
from search.evaluation.selection import Winner, find_winner
from search.evaluation.variant_args import format_variants, join_variants, parse_variants
from search.evaluation.variant_effects import measure_effects
from search.intervals import wilson_interval
from search.study.plan import check_scored_here
from search.study.status import count_finished
from spaces import Choice
from storage.errors import ScoreRefused
from storage.records import ledger, studies
from storage.records.ledger import Claim
from storage.records.networks import Network


def score_once(final_step: FinalStep) -> Score:
    """Return the study's newest score: the stored one, or a new one if the request calls for it.

    A test set that was scored before is scored again only for a stated reason, as a further opening. If several
    processes ask at once, one scores and the others wait and return the same score. Until the test set is claimed,
    this process is sealed like a worker, because it trains with the objective's own code.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        ObjectiveError: a variant does not fit the winner's network.
        SearchError: a training failed.
        ScoreRefused: the test set was claimed for other weights, or other variants of them.
    """
    engine, record, settings = final_step.engine, final_step.record, final_step.settings
    dataset, claimed = final_step.spec.dataset, Event()
    seal.install(seal.find_sealed_paths(settings.data, settings.cache), until=claimed)
    with ledger.hold_turn(engine, record.uuid, dataset) as connection:
        openings = ledger.list_openings(engine, record.uuid, dataset)
        attempt = next_attempt(openings[-1] if openings else None, final_step.reopening)
        if attempt is not None:
            check_scored_here(studies.get(engine, record.name))  # it may have moved while this process waited
            _score_attempt(final_step, attempt, connection, claimed)
        score = read_score(engine, record.uuid, dataset)
    assert score is not None
    return replace(score, first_time=attempt is not None)


@dataclass(frozen=True, kw_only=True)
class _TestResult:
    """What the network predicted on the test set, compared with the labels."""

    correct: int
    examples: int
    fingerprint: str
    """SHA-256 of the test images, labels and class names."""
    predictions: bytes
    metrics: Metrics


def _score_attempt(final_step: FinalStep, attempt: Attempt, connection: Connection, claimed: Event) -> None:
    """Retrain the winner, claim the test set for exactly its weights, and only then open and score the test set."""
    earlier = None if attempt.earlier is None else ClaimedWinner.from_json(attempt.earlier.winner)
    variants = _variants_to_score(final_step, earlier)
    if earlier is None:
        winner, choice = _choose(final_step, variants)
    else:
        winner, choice = find_winner(final_step, earlier.trial), earlier
    network = retrain(final_step, winner, attempt.earlier)
    model = apply_variants(network.model, variants)
    _claim(final_step, connection, attempt, Claim(weights_sha256=network.sha256, winner=choice.to_json()))
    claimed.set()
    result = _test(final_step, model, network.data)
    _store(final_step, connection, winner, choice, network, result)


def _variants_to_score(final_step: FinalStep, earlier: ClaimedWinner | None) -> tuple[Choice, ...]:
    """Return the requested variants, or those of the earlier claim if there is one.

    Raises:
        ScoreRefused: the request names others than the claim.
    """
    if earlier is None:
        return final_step.variants or ()
    requested = None if final_step.variants is None else format_variants(final_step.variants)
    if requested is not None and requested != earlier.variants:
        raise ScoreRefused(
            f"the test set of {final_step.spec.dataset!r} was claimed for {join_variants(earlier.variants)}, and "
            f"{join_variants(requested)} cannot be scored with it; leave --variant out to continue that claim, "
            "or make another one with --reopen REASON"
        )
    return parse_variants(earlier.variants)


def _choose(final_step: FinalStep, variants: Sequence[Choice]) -> tuple[Winner, ClaimedWinner]:
    """Choose the winner, with a race if the request has one, and measure what the variants do to it."""
    confirmation = None if final_step.race is None else confirm(final_step, final_step.race)
    winner = find_winner(final_step, None if confirmation is None else confirmation.chosen)
    choice = ClaimedWinner(
        trial=winner.trial.number,
        seed=winner.seed,
        configuration=winner.config.to_json(),
        finished=count_finished(list(final_step.trials)),
        confirmation=confirmation,
        variants=format_variants(variants),
        variant_effects=measure_effects(final_step, winner, variants) if variants else (),
    )
    return winner, choice


def _claim(final_step: FinalStep, connection: Connection, attempt: Attempt, claim: Claim) -> None:
    record, dataset = final_step.record, final_step.spec.dataset
    opening, reason = attempt.opening, attempt.reason
    ledger.claim(connection, record.uuid, record.name, dataset, claim, opening=opening, reason=reason)


def _test(final_step: FinalStep, model: nn.Module, data: TrainValidation) -> _TestResult:
    """Open the test set and predict it; `data` tells how its images are normalized."""
    objective, settings = final_step.objective, final_step.settings
    held_out = open_heldout(
        objective.data,
        settings.data,
        settings.cache,
        image_size=objective.image_size,
        classes=objective.classes,
    )
    examples = Examples(
        images_NHWC=torch.from_numpy(held_out.images).to(final_step.device),
        labels_N=torch.from_numpy(held_out.labels).to(final_step.device),
        mean=data.train.mean,
        std=data.train.std,
    )
    predicted, confidence = predict(model, examples, objective.precision)
    return _TestResult(
        correct=int((predicted == held_out.labels).sum()),
        examples=len(examples),
        fingerprint=held_out.fingerprint,
        predictions=pack_predictions(predicted, confidence),
        metrics=compute_metrics(predicted, confidence, held_out.labels, data.classes),
    )


def _store(
    final_step: FinalStep,
    connection: Connection,
    winner: Winner,
    choice: ClaimedWinner,
    network: RetrainedNetwork,
    result: _TestResult,
) -> None:
    """Store the score, and the network for studies that reuse it."""
    outcome = Outcome(
        study=final_step.record.name,
        trial=winner.trial.number,
        params=winner.trial.params,
        validation_accuracy=float(winner.trial.value or 0.0),
        test_accuracy=result.correct / result.examples,
        test_interval_95=wilson_interval(result.correct, result.examples),
        test_examples=result.examples,
        class_accuracy=result.metrics.class_accuracy,
        macro_f1=result.metrics.macro_f1,
        calibration_error=result.metrics.calibration_error,
        epochs=winner.epochs,
        seed=winner.seed,
        retrained_on="train + validation" if network.data.merged else "train",
        confirmation=choice.confirmation,
        variants=choice.variants,
        variant_effects=choice.variant_effects,
        weights_sha256=network.sha256,
    )
    ledger.complete(
        connection,
        final_step.record.uuid,
        final_step.spec.dataset,
        outcome.to_json(),
        test_sha256=result.fingerprint,
        predictions=result.predictions,
        network=_pack_network(final_step, winner, network),
    )


def _pack_network(final_step: FinalStep, winner: Winner, network: RetrainedNetwork) -> Network:
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
