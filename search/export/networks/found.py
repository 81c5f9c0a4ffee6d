"""The network of a study that is exported: the one that was scored or, before a score, the best trial's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from objectives.data.batches.examples import TrainValidation
from objectives.models.weights import load_packed, pack_weights
from objectives.variants.apply import apply_variants
from objectives.variants.catalogue import VARIANTS
from search.errors import NothingToDo, SearchError
from search.evaluation import model_card
from search.evaluation.final_step import FinalStep, prepare_final_step
from search.evaluation.request import FinalRequest, FinalTask
from search.evaluation.results.score import Score
from search.evaluation.results.stored import read_score
from search.evaluation.retraining import build_untrained, load_checkpoint
from search.evaluation.selection import Winner, find_winner
from search.evaluation.variant_args import format_variants, parse_variants
from search.export.networks.standalone import CheckedNetwork, StandaloneNetwork
from search.export.outputs.task import ExportTask
from search.settings import change
from search.study.outline import find_void_reasons
from spaces import Choice
from storage.errors import format_command
from storage.records import networks

CHECKED_IMAGES = 512
"""Validation images on which an exported network is compared with the study's."""


@dataclass(frozen=True, kw_only=True)
class FoundNetwork:
    """A trained network of a study, on the CPU, and what it needs to predict."""

    final_step: FinalStep
    winner: Winner
    score: Score | None
    """None if it was not scored; then it is the best trial's own."""
    data: TrainValidation
    """The images that it was trained on."""
    weights: bytes = field(repr=False)
    """In the safetensors format, before any variant."""
    sha256: str
    variants: tuple[str, ...]
    """What is applied to it, of what the score has."""
    left_out: tuple[str, ...]
    """What of the score's variants an exported network cannot have."""
    checked: CheckedNetwork

    @property
    def is_scored_one(self) -> bool:
        """Whether the test score is that of exactly this network."""
        return self.score is not None and not self.left_out


def find_network(task: ExportTask) -> FoundNetwork:
    """Load the study's network, in a process that is sealed against test files from here on; nothing is trained.

    Raises:
        NothingToDo: no trial has completed, or no network is kept.
        SearchError: the network's layers are known to the objective's own training only.
        DataError: the training images are missing.
        UsageError: something differs from what the study was created with.
    """
    final_step = prepare_final_step(
        FinalTask(
            database=task.database,
            view=task.view,
            settings=change(task.settings, device="cpu"),
            objective=task.objective,
            request=FinalRequest(out=task.path),
            tell=lambda line: None,
        ),
        None,
    )
    name = final_step.record.name
    if final_step.objective.train is not None:
        raise SearchError(
            f"the networks of study {name!r} are made by its objective's own `train` and cannot be built without "
            "training; give the objective a `build_model`, or save the network in `train`"
        )
    voided = find_void_reasons(final_step.trials)
    score = read_score(final_step.engine, final_step.record.uuid, final_step.spec.dataset, voided)
    with torch.random.fork_rng([]):
        return _find_best(final_step) if score is None else _find_scored(final_step, score)


def _find_scored(final_step: FinalStep, score: Score) -> FoundNetwork:
    winner = find_winner(final_step, score.trial, full=score.retraining.full)
    weights = _read_weights(final_step, score)
    model = build_untrained(final_step, replace(winner, epochs=score.epochs))
    try:
        load_packed(weights, model)
    except (RuntimeError, SafetensorError) as error:
        raise SearchError(
            f"the stored weights do not fit the network of trial {score.trial} ({str(error).splitlines()[0]}); restore "
            "the objective's file as it was when the study was created"
        ) from None
    data = final_step.load_data(
        merge_validation=score.retrained_on == "train + validation", all_images=score.retraining.all_images
    )
    variants = parse_variants(score.variants)
    kept = [each for each in variants if not (VARIANTS[each.name].needs_snapshots or VARIANTS[each.name].is_random)]
    left_out = [each for each in variants if each not in kept]
    return _prepare(final_step, replace(winner, epochs=score.epochs), score, data, model, weights, kept, left_out)


def _find_best(final_step: FinalStep) -> FoundNetwork:
    winner = find_winner(final_step)
    model = load_checkpoint(final_step, winner)
    if model is None:
        name = final_step.record.name
        raise NothingToDo(
            f"study {name!r} has no scored network, and the network of its best trial ({winner.trial.number}) is not "
            f"kept here; train it with `{format_command('final', '--study', name)}`, or name the folder of checkpoints "
            "with SEARCH_CHECKPOINTS"
        )
    data = final_step.load_data(merge_validation=False)
    return _prepare(final_step, winner, None, data, model, pack_weights(model)[0], [], [])


def _prepare(
    final_step: FinalStep,
    winner: Winner,
    score: Score | None,
    data: TrainValidation,
    model: nn.Module,
    weights: bytes,
    kept: Sequence[Choice],
    left_out: Sequence[Choice],
) -> FoundNetwork:
    channels, height, width = data.image_shape
    changed = apply_variants(model.eval(), kept)
    standalone = StandaloneNetwork(
        changed, mean=data.train.mean, std=data.train.std, shape=(height, width, channels)
    ).eval()
    prepared, chosen = final_step.plan.prepared, final_step.plan.split.validation[:CHECKED_IMAGES]
    return FoundNetwork(
        final_step=final_step,
        winner=winner,
        score=score,
        data=data,
        weights=weights,
        sha256=hashlib.sha256(weights).hexdigest(),
        variants=format_variants(kept),
        left_out=format_variants(left_out),
        checked=CheckedNetwork(
            standalone=standalone,
            labels=tuple(data.classes),
            images=prepared.images()[chosen],
            probabilities=_predict_as_in_training(changed, data, len(chosen)),
        ),
    )


@torch.no_grad()
def _predict_as_in_training(model: nn.Module, data: TrainValidation, count: int) -> NDArray[np.float32]:
    """Return the probabilities of the first validation images, prepared by the code that trained the network."""
    model.eval()
    x_BCHW, _ = next(iter(data.validation.batches(count, order_seed=None)))
    probabilities: NDArray[np.float32] = model(x_BCHW).float().softmax(dim=1).numpy()
    return probabilities


def _read_weights(final_step: FinalStep, score: Score) -> bytes:
    """Return the scored weights: from the storage or, if they were too large for it, from the final step's folder."""
    name = final_step.record.name
    kept = networks.find_for_study(final_step.engine, name)
    if kept is not None and kept.sha256 == score.weights_sha256:
        return kept.weights
    path = Path("results") / name / model_card.WEIGHTS_FILE
    weights = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(weights).hexdigest() != score.weights_sha256:
        raise NothingToDo(
            f"the scored weights of study {name!r} are not kept in the storage, as those of more than "
            f"{networks.LARGEST_BYTES // 2**20} MiB, and {path} does not have them; run this command in the folder "
            f"where `{format_command('final', '--study', name)}` was run"
        )
    return weights
