"""The final step as a whole: return a study's stored score, or make one; or only measure what variants do.

What needs torch is imported only when there is something to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search.errors import SearchError
from search.evaluation import model_card, racing
from search.evaluation.model_card import ModelCard
from search.evaluation.reopening import Reopening, parse_reopening
from search.evaluation.request import FinalTask
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Score
from search.evaluation.results.stored import read_score
from search.evaluation.results.variants import MeasuredVariants
from search.evaluation.variant_args import format_variants, join_variants
from search.study.outline import find_void_reasons
from search.study.plan import check_scored_here
from search.study.status_types import BestTrial
from storage.records import ledger, networks
from storage.records.ledger import Opening


def score_study(task: FinalTask) -> Score:
    """Return the study's score: the stored one if there is one, unless the request gives a reason for another.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: the reason breaks a rule, or there is no score yet to make again.
        ScoreRefused: the test set was claimed for other weights, or other variants of them.
        SearchError: a training failed.
    """
    openings = _find_openings(task)
    reopening = _check_request(task, openings)
    if openings and openings[-1].result is not None and reopening is None:
        score = _read_stored(task)
    else:
        score = _score_now(task, reopening)
    _tell_differences(task, score, reopening)
    return score


def measure_study(task: FinalTask) -> MeasuredVariants:
    """Measure what the requested variants do to the winner; nothing is claimed, and no test file is opened.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: the request also asks for a confirmation, which chooses what is scored.
        SearchError: a training failed.
    """
    from search.evaluation.final_step import prepare_final_step
    from search.evaluation.variant_effects import measure_variants

    task.request.check_measures_only()
    reopening = _check_request(task, _find_openings(task))
    return measure_variants(prepare_final_step(task, reopening))


def _find_openings(task: FinalTask) -> list[Opening]:
    return ledger.list_openings(task.database.engine, task.view.record.uuid, task.view.spec.dataset)


def _check_request(task: FinalTask, openings: Sequence[Opening]) -> Reopening | None:
    """Return the requested reopening, with what was known before this process waits for others.

    Raises:
        NothingToDo: there is no stored score to return, and the study was moved to another storage.
        UsageError: the reason breaks a rule, or the test set has never been claimed.
    """
    newest = openings[-1] if openings else None
    if newest is None or newest.result is None or task.request.reopen is not None:
        check_scored_here(task.view.record)
    return parse_reopening(task.request.reopen, newest)


def _read_stored(task: FinalTask) -> Score:
    view = task.view
    voided = find_void_reasons(view.trials())
    score = read_score(task.database.engine, view.record.uuid, view.spec.dataset, voided)
    assert score is not None
    _complete_folder(task, score)
    return replace(score, first_time=False)


def _score_now(task: FinalTask, reopening: Reopening | None) -> Score:
    from search.evaluation.final_step import prepare_final_step
    from search.evaluation.score import score_once

    task.database.check_writable()  # before a training whose score could not be kept
    model_card.check_folder(task.request.out)
    score = score_once(prepare_final_step(task, reopening))
    if not score.first_time:
        _complete_folder(task, score)
        return score
    _write_card(task, score)
    if (task.request.out / model_card.WEIGHTS_FILE).stat().st_size > networks.LARGEST_BYTES:
        task.tell(
            f"note: weights of more than {networks.LARGEST_BYTES // 2**20} MiB are not kept in the storage; "
            "no other study can reuse this network"
        )
    return score


def _complete_folder(task: FinalTask, score: Score) -> None:
    """Write the card and the configuration if a killed process left the scored weights without them."""
    try:
        if model_card.lacks_model_card(task.request.out, score):
            _write_card(task, score)
    except (OSError, SearchError) as error:
        task.tell(f"note: {error}")  # the score is valid without the card


def _write_card(task: FinalTask, score: Score) -> None:
    [opening] = [opening for opening in _find_openings(task) if opening.look == score.look]
    winner = ClaimedWinner.from_json(opening.claim.winner)
    ModelCard(score=score, winner=winner, spec=task.view.spec).write(task.request.out)


def _tell_differences(task: FinalTask, score: Score, reopening: Reopening | None) -> None:
    """Tell where a score that was made earlier, or by another process, differs from the request."""
    race, choices = task.request.race, task.request.choices
    wanted = score.variants if choices is None else format_variants(choices)
    if wanted != score.variants:
        task.tell(
            f"note: this is the score of {join_variants(score.variants)}, not of {join_variants(wanted)}; "
            "to score that too, which is a further look at the test set, add --reopen REASON"
        )
    retraining = task.request.retraining
    if retraining is not None and retraining != score.retraining:
        task.tell(
            f"note: this is the score of a retraining on {score.retraining}, not on {retraining}; "
            "to score that too, which is a further look at the test set, add --reopen REASON"
        )
    if race is not None and not racing.matches_race(score.confirmation, race):
        task.tell(
            f"note: the winner of this score was chosen {racing.describe_confirmation(score.confirmation)}; "
            "to score another choice, which is a further look at the test set, add --reopen REASON"
        )
    if not score.first_time and (better := describe_better(score, task.view.status().best)):
        task.tell(f"note: {better}")
    if reopening is not None and not score.first_time:
        task.tell(
            "note: another command scored this test set after you asked; this is its score, and the test set was "
            "not opened again"
        )


def describe_better(score: Score, best: BestTrial | None) -> str | None:
    """Return a sentence that names the trial that is better by now than the scored one; None without one."""
    if best is None or score.confirmation is not None or best.value <= score.validation_accuracy:
        return None
    return (
        f"this is the score of trial {score.trial}; trial {best.trial} ({best.value:.4f}) is better by now; to "
        "score that too, which is a further look at the test set, add --reopen REASON"
    )
