"""Scoring: choose and retrain the winner, claim the test set in the ledger, open its files, and score them once.

No other module imports `objectives.data.heldout`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from objectives.data.batches.examples import Examples, TrainValidation
from objectives.data.duplicates import count_known_images
from objectives.data.files.errors import DataError
from objectives.data.heldout import HeldOut, check_heldout, open_heldout
from objectives.variants.apply import apply_variants
from search.errors import SearchError
from search.evaluation.claims import plan_retraining, variants_to_score
from search.evaluation.confirmation import confirm
from search.evaluation.final_step import FinalStep
from search.evaluation.metrics import Metrics, compute_metrics, pack_predictions, predict
from search.evaluation.reopening import Attempt, next_attempt
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.retraining import RetrainingPlan
from search.evaluation.results.score import Outcome, Score
from search.evaluation.results.stored import read_score
from search.evaluation.retraining import RetrainedNetwork, pack_network, retrain
from search.evaluation.selection import Winner, check_not_voided, find_winner, tell_of_better, tell_of_cut
from search.evaluation.snapshots import count_snapshots
from search.evaluation.variant_args import format_variants
from search.evaluation.variant_effects import measure_effects
from search.statistics.intervals import wilson_interval
from search.study.outline import count_finished, find_void_reasons
from search.study.plan import check_scored_here
from search.workers.machine.energy import METRIC
from spaces import Choice
from storage.errors import ScoreRefused
from storage.leasing.turns import Turn, hold_turn
from storage.records import ledger, studies
from storage.records.ledger import Claim, HeldOutPart


def score_once(final_step: FinalStep) -> Score:
    """Return the study's newest score: the stored one, or a new one if the request calls for it.

    A test set that was scored before is scored again only for a stated reason, as a further opening. If several
    processes ask at once, one scores and the others wait and return the same score. This process is sealed like a
    worker, because it trains and predicts with the objective's own code, except while it looks at the test part.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        ObjectiveError: a variant does not fit the winner's network.
        DataError: the test part is missing, or does not fit the training part.
        SearchError: a training failed, the winner's value was not measured, or a test image cannot be used.
        ScoreRefused: the test set was claimed for other weights or other variants of them, or has other images than
            when it was scored before.
        LeaseLost: this process was frozen, and another one has the turn now.
    """
    engine, record, dataset = final_step.engine, final_step.record, final_step.spec.dataset
    with hold_turn(engine, record.uuid, dataset, tell=final_step.tell) as turn:
        openings = ledger.list_openings(engine, record.uuid, dataset)
        attempt = next_attempt(openings[-1] if openings else None, final_step.reopening)
        if attempt is not None:
            check_scored_here(studies.get(engine, record.name))  # it may have moved while this process waited
            with final_step.energy.measuring():
                _score_attempt(final_step, attempt, turn)
        score = read_score(engine, record.uuid, dataset, find_void_reasons(final_step.trials))
    assert score is not None
    return replace(score, first_time=attempt is not None)


@dataclass(frozen=True, kw_only=True)
class _TestResult:
    """What the network predicted on the test set, compared with the labels."""

    correct: int
    examples: int
    known: int
    """How many of the test images are also in the training part."""
    part: HeldOutPart
    predictions: bytes
    mean_deviation: float | None
    metrics: Metrics


def _score_attempt(final_step: FinalStep, attempt: Attempt, turn: Turn) -> None:
    """Retrain the winner, claim the test set for exactly its weights, and only then open and score the test set.

    What can fail without opening a test file fails before the claim, and before hours of training.
    """
    earlier = None if attempt.earlier is None else ClaimedWinner.from_json(attempt.earlier.winner)
    variants, plan = variants_to_score(final_step, earlier), plan_retraining(final_step, earlier)
    find_winner(final_step, None if earlier is None else earlier.trial)
    _check_test_part(final_step)
    if earlier is None:
        winner, choice = _choose(final_step, plan, variants)
        tell_of_cut(final_step, winner)
    else:
        winner, choice = find_winner(final_step, earlier.trial, full=plan.full), earlier
        if earlier.confirmation is None:
            tell_of_better(final_step, winner)
    network = retrain(final_step, winner, plan, count_snapshots(variants), attempt.earlier)
    model = apply_variants(network.model, variants, network.snapshots)
    choice = replace(choice, snapshots_sha256=network.snapshots_sha256)
    check_not_voided(final_step, winner)
    claim = Claim(weights_sha256=network.sha256, winner=choice.to_json())
    ledger.claim(turn, final_step.record.name, claim, opening=attempt.opening, reason=attempt.reason)
    held_out = _read_test_images(final_step)
    part = _describe_part(final_step, held_out, network.data)
    _check_same_images(final_step, turn, attempt, part)
    _store(final_step, turn, winner, choice, network, _test(final_step, model, network.data, held_out, part))


def _check_test_part(final_step: FinalStep) -> None:
    """Check that there is a test part, which is downloaded if it is missing; none of its files is opened."""
    objective, settings = final_step.objective, final_step.settings
    with final_step.lift_seal():
        place = (objective.data, settings.data, settings.cache)
        check_heldout(*place, classes=objective.classes, trained=final_step.plan.prepared)


def _choose(final_step: FinalStep, plan: RetrainingPlan, variants: Sequence[Choice]) -> tuple[Winner, ClaimedWinner]:
    """Choose the winner, with a race if the request has one, and measure what the variants do to it."""
    confirmation = None if final_step.race is None else confirm(final_step, final_step.race)
    winner = find_winner(final_step, None if confirmation is None else confirmation.chosen, full=plan.full)
    choice = ClaimedWinner(
        trial=winner.trial.number,
        seed=winner.seed,
        configuration=winner.config.to_json(),
        finished=count_finished(list(final_step.trials)),
        confirmation=confirmation,
        retraining=plan,
        variants=format_variants(variants),
        variant_effects=measure_effects(final_step, winner, variants) if variants else (),
    )
    return winner, choice


def _read_test_images(final_step: FinalStep) -> HeldOut:
    objective, settings = final_step.objective, final_step.settings
    try:
        with final_step.lift_seal():
            place = (objective.data, settings.data, settings.cache)
            return open_heldout(
                *place, image_size=objective.image_size, classes=objective.classes, trained=final_step.plan.prepared
            )
    except DataError as error:
        raise SearchError(
            f"{error} (no score was taken, and this is no look: the test set stays claimed for this network; "
            f"correct that, then run the same command again, with {final_step.out} as it is now)"
        ) from error


def _describe_part(final_step: FinalStep, held_out: HeldOut, data: TrainValidation) -> HeldOutPart:
    view = {
        "image_shape": list(data.image_shape),
        "classes": list(data.classes),
        "training_sha256": final_step.spec.data_fingerprint,
    }
    return HeldOutPart(sha256=held_out.fingerprint, view=json.dumps(view))


def _check_same_images(final_step: FinalStep, turn: Turn, attempt: Attempt, part: HeldOutPart) -> None:
    """Compare the test images with those of the last score, of any study on the same training images.

    Raises:
        ScoreRefused: they are others, and no reason was given.
    """
    last = ledger.find_last_look(turn, part.view)
    if last is None or last.test_sha256 == part.sha256:
        return
    difference = (
        f"the test images of {turn.dataset!r} are not those of look {last.number} (study {last.study!r}): their "
        f"SHA-256 was {last.test_sha256[:12]} then and is {part.sha256[:12]} now"
    )
    if attempt.reason is None:
        raise ScoreRefused(f"{difference}; restore them, or say why they differ with --reopen REASON")
    final_step.tell(f"note: {difference}")


def _test(
    final_step: FinalStep, model: nn.Module, data: TrainValidation, held_out: HeldOut, part: HeldOutPart
) -> _TestResult:
    """Predict the test images; `data` tells how they are normalized."""
    examples = Examples(
        images_NHWC=torch.from_numpy(held_out.images).to(final_step.device),
        labels_N=torch.from_numpy(held_out.labels).to(final_step.device),
        mean=data.train.mean,
        std=data.train.std,
    )
    predictions = predict(model, examples, final_step.objective.precision)
    return _TestResult(
        correct=int((predictions.classes_N == held_out.labels).sum()),
        examples=len(examples),
        known=count_known_images(held_out.images, final_step.plan.prepared.images()),
        part=part,
        predictions=pack_predictions(predictions),
        mean_deviation=predictions.mean_deviation,
        metrics=compute_metrics(predictions, held_out.labels, data.classes),
    )


def _store(
    final_step: FinalStep,
    turn: Turn,
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
        test_examples_in_training=result.known,
        class_accuracy=result.metrics.class_accuracy,
        macro_f1=result.metrics.macro_f1,
        calibration_error=result.metrics.calibration_error,
        mean_deviation=result.mean_deviation,
        abstention=result.metrics.abstention,
        epochs=winner.epochs,
        seed=winner.seed,
        retrained_on="train + validation" if network.data.merged else "train",
        retrained_examples=len(network.data.train),
        retraining=choice.retraining,
        confirmation=choice.confirmation,
        variants=choice.variants,
        variant_effects=choice.variant_effects,
        weights_sha256=network.sha256,
        energy_wh=final_step.energy.take().get(METRIC),
    )
    ledger.complete(
        turn,
        outcome.to_json(),
        test=result.part,
        predictions=result.predictions,
        network=pack_network(final_step, winner, network),
    )
