"""How the final step's results are shown: the score, how its winner was chosen, and the effects of variants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectives.base.plurals import count_noun
from search.display.output import format_configuration, print_document, print_table, say
from search.evaluation.reopening import format_openings
from search.evaluation.results.abstention import AbstentionPoint, describe_abstention
from search.evaluation.results.confirmation import Confirmation, ConfirmedCandidate
from search.evaluation.results.score import Score
from search.evaluation.results.variants import MeasuredVariants, VariantEffect
from search.evaluation.variant_args import EFFECT_HEADINGS, effect_rows, join_variants

CANDIDATE_HEADINGS = ("trial", "value in search", "mean", "sd", "lower bound", "seeds", "outcome")


def show_effects(measured: MeasuredVariants, *, as_json: bool) -> None:
    """Print what variants do to the winner."""
    if as_json:
        print_document(measured)
        return
    say(
        f"study {measured.study}, trial {measured.trial} as trained in the search, on the validation images; "
        "the test set was not opened:"
    )
    _show_effect_table(measured.variant_effects)


def show_score(score: Score, out: Path, *, as_json: bool) -> None:
    """Print a score and everything known about it; `out` is the folder of its weights."""
    if as_json:
        print_document(score)
        return
    if score.confirmation is not None:
        _show_confirmation(score.confirmation)
    trained = f"retrained for {count_noun(score.epochs, 'epoch')} on {score.retrained_images}"
    say(f"study {score.study}, trial {score.trial}, {trained}")
    for line in format_configuration(score.params):
        say(line)
    _show_variants(score)
    _show_accuracies(score)
    _show_looks(score)
    if score.doubt is not None:
        say(f"note: {score.doubt}")
    if score.first_time:
        say(f"weights, configuration and model card are in {out}")
    else:
        say("this is a stored score; the test set was not opened again")


def _show_variants(score: Score) -> None:
    if score.variants:
        say(f"scored with {join_variants(score.variants)}; effects on the validation images, before the retraining:")
        _show_effect_table(score.variant_effects)


def _show_effect_table(effects: Sequence[VariantEffect]) -> None:
    print_table(EFFECT_HEADINGS, effect_rows(effects))
    for effect in effects:
        if effect.mean_deviation is not None:
            _show_uncertainty(effect.mean_deviation, effect.abstention)


def _show_uncertainty(mean_deviation: float | None, abstention: Sequence[AbstentionPoint]) -> None:
    if mean_deviation is not None:
        say(
            f"standard deviation of the predicted class's probability over the samples: {mean_deviation:.4f} on average"
        )
    if abstention:
        kind = "probability" if mean_deviation is None else "probability less its deviation"
        say(f"accuracy if only the most certain images (by {kind}) are answered: {describe_abstention(abstention)}")


def _show_accuracies(score: Score) -> None:
    low, high = score.test_interval_95
    say(f"test accuracy {score.test_accuracy:.4f} (95% interval {low:.4f} to {high:.4f}, {score.test_examples} images)")
    if score.macro_f1 is not None and score.calibration_error is not None:
        say(f"macro F1 {score.macro_f1:.4f}, expected calibration error {score.calibration_error:.4f}")
    _show_uncertainty(score.mean_deviation, score.abstention)
    known = [(accuracy, name) for name, accuracy in score.class_accuracy.items() if accuracy is not None]
    if known:
        lowest, worst = min(known, key=lambda pair: pair[0])
        say(f"lowest accuracy of a class: {lowest:.4f} (class {worst})")
    _show_weak_points(score)
    say(
        f"validation accuracy in the search {score.validation_accuracy:.4f}, "
        f"{_compare(score.selection_gap)} the test accuracy"
    )


def _show_weak_points(score: Score) -> None:
    if missing := score.classes_without_examples:
        say(f"note: the test set has no image of {', '.join(missing)}")
    if known := score.test_examples_in_training:
        say(
            f"note: {known} of the {score.test_examples} test images equal a training image, pixel by pixel; the test "
            "accuracy is too high for new images"
        )


def _show_looks(score: Score) -> None:
    say(
        f"scored {score.scored_at}, look number {score.look} at this test set; "
        f"studies in this storage have scored it {_times(score.looks)}"
    )
    if len(score.openings) > 1:
        for line in format_openings(score.openings):
            say(line)


def _show_confirmation(confirmation: Confirmation) -> None:
    optimism = confirmation.optimism
    say(
        f"the {len(confirmation.candidates)} best trials were trained again, with up to {confirmation.seeds} further "
        "seeds each:"
    )
    print_table(CANDIDATE_HEADINGS, [_candidate_row(each, confirmation.chosen) for each in confirmation.candidates])
    say(
        f"trial {confirmation.chosen} was chosen for the highest lower bound (95%) of its mean accuracy; trained with "
        f"{len(optimism.fresh_accuracies)} fresh seeds, which played no part in the choice, it reaches "
        f"{optimism.fresh_mean:.4f} on average"
    )
    low, high = optimism.interval_95
    say(
        f"selection optimism: the search's best value, {optimism.best_value:.4f}, is {_compare(optimism.value)} that "
        f"average (95% interval of the difference {low:+.4f} to {high:+.4f}); a positive difference is the luck of "
        "the best of many trials"
    )
    say("these accuracies share the same validation images; how well they predict others, the test accuracy tells")


def _candidate_row(candidate: ConfirmedCandidate, chosen: int) -> tuple[object, ...]:
    numbers = (candidate.value, candidate.mean, candidate.sd, candidate.lower_bound)
    if candidate.trial == chosen:
        outcome = "chosen"
    elif candidate.dropped_in_round is not None:
        outcome = f"dropped in round {candidate.dropped_in_round}: {candidate.reason}"
    else:
        outcome = ""
    shown = ("" if number is None else f"{number:.4f}" for number in numbers)
    return (candidate.trial, *shown, candidate.seeds, outcome)


def _compare(difference: float) -> str:
    """Return a difference in words, to be followed by what it is a difference from."""
    if round(difference, 4) == 0:
        return "equal to"
    return f"{abs(difference):.4f} {'above' if difference > 0 else 'below'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
