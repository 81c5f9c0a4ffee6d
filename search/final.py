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
from objectives.data.examples import Examples, TrainValidation
from objectives.data.heldout import open_heldout
from objectives.variants.chain import varied
from search.confirmation import confirm
from search.effects import effects
from search.plan import check_scored_here
from search.prediction import measures, pack, predict
from search.reopening import attempt
from search.retraining import Retrained, retrained
from search.statistics import wilson_interval
from search.status import finished
from search.variants import listed, parse, written
from search.winner import Finalist, Winner, find_winner
from spaces import Choice
from storage import ledger, studies
from storage.errors import ScoreRefused
from storage.ledger import Claim
from storage.networks import Network


def score_once(finalist: Finalist, trials: list[FrozenTrial]) -> dict[str, Any]:
    """The study's newest result: stored if it was scored before, else chosen, retrained, claimed and scored now.

    A test set that was scored before is scored again only for a reason, as a further opening. Of several
    processes that ask at once, one scores and the others wait and get the same. Until the claim is made, this
    process is sealed as a worker is: an objective's own code trains in it.

    Raises:
        NothingToDo: no trial has completed.
        ObjectiveError: a variant does not fit the winner's network.
        ScoreRefused: the test set was claimed for other weights, or other variants of them.
    """
    engine, record, settings = finalist.database.engine, finalist.record, finalist.settings
    dataset = finalist.plan.spec.dataset
    claimed = Event()
    seal.install(seal.sealed_paths(settings.data, settings.cache), until=claimed)
    with ledger.turn(engine, record.uuid, dataset) as connection:
        openings = ledger.openings(engine, record.uuid, dataset)
        now = attempt(openings[-1] if openings else None, finalist.reopening)
        if now is not None:
            check_scored_here(studies.get(engine, record.name))  # it may have gone while this process waited
            variants = _agreed(finalist, now.earlier)
            confirmed = _confirmed(finalist, trials, now.earlier)
            winner = find_winner(finalist, trials, now.earlier, None if confirmed is None else confirmed["chosen"])
            if now.earlier is None:
                choice: Mapping[str, Any] = _choice(finalist, winner, variants, confirmed, trials)
            else:
                choice = now.earlier.winner
            network = retrained(finalist, winner, now.earlier)
            model = varied(network.model, variants)
            claim = Claim(weights_sha256=network.sha256, winner=choice)
            ledger.claim(
                connection, record.uuid, record.name, dataset, claim, opening=now.opening, reason=now.reason
            )
            # Only now, with the row claimed for exactly these weights, may the test files be opened.
            claimed.set()
            scored = _score(finalist, model, network.data)
            _complete(finalist, connection, winner, choice, network, scored)
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


def _agreed(finalist: Finalist, earlier: Claim | None) -> tuple[Choice, ...]:
    """The variants to be scored; those of a claim made earlier stay.

    Raises:
        ScoreRefused: others are asked for now.
    """
    if earlier is None:
        return finalist.variants or ()
    claimed = earlier.winner["variants"]
    asked = None if finalist.variants is None else list(map(written, finalist.variants))
    if asked is not None and asked != claimed:
        raise ScoreRefused(
            f"the test set of {finalist.plan.spec.dataset!r} was claimed for {listed(claimed)}, and "
            f"{listed(asked)} cannot be scored with it; leave --variant out to go on with that claim, or make "
            "another one with --reopen REASON"
        )
    return parse(claimed)


def _confirmed(finalist: Finalist, trials: list[FrozenTrial], earlier: Claim | None) -> Mapping[str, Any] | None:
    """How the winner was chosen among the best trials; None where it is the best one.

    A claim made earlier keeps its winner, and how that was chosen.
    """
    if earlier is not None:
        claimed: Mapping[str, Any] | None = earlier.winner.get("confirmation")
        return claimed
    return None if finalist.race is None else confirm(finalist, trials, finalist.race)


def _choice(
    finalist: Finalist,
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
        "finished": finished(trials),
        "confirmation": confirmed,
        "variants": list(map(written, variants)),
        "variant_effects": effects(finalist, winner, variants) if variants else [],
    }


def _score(finalist: Finalist, model: nn.Module, data: TrainValidation) -> Scored:
    objective, settings = finalist.plan.found.objective, finalist.settings
    held_out = open_heldout(
        objective.data,
        settings.data,
        settings.cache,
        image_size=objective.image_size,
        classes=objective.classes,
    )
    examples = Examples(
        images_NHWC=torch.from_numpy(held_out.images).to(finalist.device),
        labels_N=torch.from_numpy(held_out.labels).to(finalist.device),
        mean=data.train.mean,
        std=data.train.std,
    )
    predicted, confidence = predict(model, examples, objective.precision)
    return Scored(
        correct=int((predicted == held_out.labels).sum()),
        examples=len(examples),
        fingerprint=held_out.fingerprint,
        predictions=pack(predicted, confidence),
        measures=measures(predicted, confidence, held_out.labels, data.classes),
    )


def _complete(
    finalist: Finalist,
    connection: Connection,
    winner: Winner,
    choice: Mapping[str, Any],
    network: Retrained,
    scored: Scored,
) -> None:
    """Store the score, with the network that it stands for."""
    validation, test = float(winner.trial.value or 0.0), scored.correct / scored.examples
    outcome = {
        "study": finalist.record.name,
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
        finalist.record.uuid,
        finalist.plan.spec.dataset,
        outcome,
        test_sha256=scored.fingerprint,
        predictions=scored.predictions,
        network=_described(finalist, winner, network),
    )


def _described(finalist: Finalist, winner: Winner, network: Retrained) -> Network:
    """The plain network with all that is needed to build it again, for studies that reuse it."""
    description = {
        "study": finalist.record.name,
        "objective": finalist.plan.spec.objective,
        "model": finalist.plan.found.objective.model,
        "configuration": winner.config.to_json(),
        "image_shape": list(network.data.image_shape),
        "classes": list(network.data.classes),
    }
    return Network(sha256=network.sha256, description=description, weights=network.weights)
