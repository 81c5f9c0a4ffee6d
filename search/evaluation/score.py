"""The final step: choose the winner and retrain it, claim the ledger's row, open the test files, score once.

This module is the only one that imports `objectives.data.heldout`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import torch
from optuna.trial import FrozenTrial
from sqlalchemy import Connection
from torch import nn

from objectives.data import seal
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.data.heldout import open_heldout
from objectives.variants.apply import apply_variants
from search.evaluation.confirmation import confirm
from search.evaluation.metrics import compute_metrics, pack_predictions, predict
from search.evaluation.reopening import next_attempt
from search.evaluation.retraining import RetrainedNetwork, retrain
from search.evaluation.selection import FinalStep, Winner, find_winner
from search.evaluation.variant_args import format_list, format_variant, parse_variants
from search.evaluation.variant_effects import measure_effects
from search.intervals import wilson_interval
from search.study.plan import check_scored_here
from search.study.status import count_finished
from spaces import Choice
from storage.errors import ScoreRefused
from storage.records import ledger, studies
from storage.records.ledger import Claim
from storage.records.networks import Network


def score_once(final_step: FinalStep, trials: list[FrozenTrial]) -> dict[str, Any]:
    """The study's newest result: stored if it was scored before, else chosen, retrained, claimed and scored now.

    A test set that was scored before is scored again only for a reason, as a further opening. Of several
    processes that ask at once, one scores and the others wait and get the same. Until the claim is made, this
    process is sealed as a worker is: an objective's own code trains in it.

    Raises:
        NothingToDo: no trial has completed.
        ObjectiveError: a variant does not fit the winner's network.
        ScoreRefused: the test set was claimed for other weights, or other variants of them.
    """
    engine, record, settings = final_step.database.engine, final_step.record, final_step.settings
    dataset = final_step.plan.spec.dataset
    claimed = Event()
    seal.install(seal.find_sealed_paths(settings.data, settings.cache), until=claimed)
    with ledger.hold_turn(engine, record.uuid, dataset) as connection:
        openings = ledger.openings(engine, record.uuid, dataset)
        now = next_attempt(openings[-1] if openings else None, final_step.reopening)
        if now is not None:
            check_scored_here(studies.get(engine, record.name))  # it may have gone while this process waited
            variants = _agreed(final_step, now.earlier)
            confirmed = _confirmed(final_step, trials, now.earlier)
            winner = find_winner(final_step, trials, now.earlier, None if confirmed is None else confirmed["chosen"])
            if now.earlier is None:
                choice: Mapping[str, Any] = _choice(final_step, winner, variants, confirmed, trials)
            else:
                choice = now.earlier.winner
            network = retrain(final_step, winner, now.earlier)
            model = apply_variants(network.model, variants)
            claim = Claim(weights_sha256=network.sha256, winner=choice)
            ledger.claim(connection, record.uuid, record.name, dataset, claim, opening=now.opening, reason=now.reason)
            # Only now, with the row claimed for exactly these weights, may the test files be opened.
            claimed.set()
            scored = _score(final_step, model, network.data)
            _complete(final_step, connection, winner, choice, network, scored)
        result = ledger.result(engine, record.uuid, dataset)
    assert result is not None
    return {**result, "first_time": now is not None}


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The one look at the test set."""

    correct: int
    examples: int
    fingerprint: str
    predictions: bytes
    measures: Mapping[str, Any]


def _agreed(final_step: FinalStep, earlier: Claim | None) -> tuple[Choice, ...]:
    """The variants to be scored; those of a claim made earlier stay.

    Raises:
        ScoreRefused: others are asked for now.
    """
    if earlier is None:
        return final_step.variants or ()
    claimed = earlier.winner["variants"]
    asked = None if final_step.variants is None else list(map(format_variant, final_step.variants))
    if asked is not None and asked != claimed:
        raise ScoreRefused(
            f"the test set of {final_step.plan.spec.dataset!r} was claimed for {format_list(claimed)}, and "
            f"{format_list(asked)} cannot be scored with it; leave --variant out to continue that claim, "
            "or make another one with --reopen REASON"
        )
    return parse_variants(claimed)


def _confirmed(final_step: FinalStep, trials: list[FrozenTrial], earlier: Claim | None) -> Mapping[str, Any] | None:
    """How the winner was chosen among the best trials; None where it is the best one.

    A claim made earlier keeps its winner, and how that was chosen.
    """
    if earlier is not None:
        claimed: Mapping[str, Any] | None = earlier.winner.get("confirmation")
        return claimed
    return None if final_step.race is None else confirm(final_step, trials, final_step.race)


def _choice(
    final_step: FinalStep,
    winner: Winner,
    variants: Sequence[Choice],
    confirmed: Mapping[str, Any] | None,
    trials: list[FrozenTrial],
) -> dict[str, Any]:
    """What a claim says beside the weights: which trial they came from, and how they are to be scored."""
    return {
        "trial": winner.trial.number,
        "seed": winner.seed,
        "configuration": winner.config.to_json(),
        "finished": count_finished(trials),
        "confirmation": confirmed,
        "variants": list(map(format_variant, variants)),
        "variant_effects": measure_effects(final_step, winner, variants) if variants else [],
    }


def _score(final_step: FinalStep, model: nn.Module, data: TrainValidation) -> Scored:
    objective, settings = final_step.plan.found.objective, final_step.settings
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
    return Scored(
        correct=int((predicted == held_out.labels).sum()),
        examples=len(examples),
        fingerprint=held_out.fingerprint,
        predictions=pack_predictions(predicted, confidence),
        measures=compute_metrics(predicted, confidence, held_out.labels, data.classes),
    )


def _complete(
    final_step: FinalStep,
    connection: Connection,
    winner: Winner,
    choice: Mapping[str, Any],
    network: RetrainedNetwork,
    scored: Scored,
) -> None:
    """Store the score, with the network that it stands for."""
    validation, test = float(winner.trial.value or 0.0), scored.correct / scored.examples
    outcome = {
        "study": final_step.record.name,
        "trial": winner.trial.number,
        "params": winner.trial.params,
        "validation_accuracy": validation,
        "test_accuracy": test,
        "test_interval_95": list(wilson_interval(scored.correct, scored.examples)),
        "selection_gap": validation - test,
        "test_examples": scored.examples,
        **scored.measures,
        "epochs": winner.epochs,
        "seed": winner.seed,
        "retrained_on": "train + validation" if network.data.merged else "train",
        "confirmation": choice.get("confirmation"),
        "variants": choice["variants"],
        "variant_effects": choice["variant_effects"],
        "weights_sha256": network.sha256,
    }
    ledger.complete(
        connection,
        final_step.record.uuid,
        final_step.plan.spec.dataset,
        outcome,
        test_sha256=scored.fingerprint,
        predictions=scored.predictions,
        network=_described(final_step, winner, network),
    )


def _described(final_step: FinalStep, winner: Winner, network: RetrainedNetwork) -> Network:
    """The plain network with all that is needed to build it again, for studies that reuse it."""
    description = {
        "study": final_step.record.name,
        "objective": final_step.plan.spec.objective,
        "model": final_step.plan.found.objective.model,
        "configuration": winner.config.to_json(),
        "image_shape": list(network.data.image_shape),
        "classes": list(network.data.classes),
    }
    return Network(sha256=network.sha256, description=description, weights=network.weights)
