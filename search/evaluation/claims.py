"""What an earlier claim of the test set binds the present request to."""

from __future__ import annotations

from search.evaluation.final_step import FinalStep
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.retraining import RetrainingPlan
from search.evaluation.variant_args import format_variants, join_variants, parse_variants
from spaces import Choice
from storage.errors import ScoreRefused


def variants_to_score(final_step: FinalStep, earlier: ClaimedWinner | None) -> tuple[Choice, ...]:
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


def plan_retraining(final_step: FinalStep, earlier: ClaimedWinner | None) -> RetrainingPlan:
    """Return the requested images and epochs, or those of the earlier claim if there is one.

    Raises:
        ScoreRefused: the request names others than the claim.
    """
    requested = final_step.retraining
    if earlier is None:
        return requested or RetrainingPlan()
    if requested is not None and requested != earlier.retraining:
        raise ScoreRefused(
            f"the test set of {final_step.spec.dataset!r} was claimed for a retraining on {earlier.retraining}, and "
            f"one on {requested} cannot be scored with it; leave --all and --epochs out to continue that claim, or "
            "make another one with --reopen REASON"
        )
    return earlier.retraining
