"""The answer in words."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.evaluation.results.score import Score
from search.report.document.content.answer import Answer, Estimate
from search.report.document.content.bounds import BoundWarning
from search.report.document.content.study_report import StudyReport
from search.report.document.wording.blocks import Alert, Block, Card, Cards, Code, Section, Text, tabulate
from search.study.status_types import BestTrial
from storage.errors import format_command


def describe_answer(report: StudyReport) -> Section:
    """Return the first section: the best configuration, what to expect of it, its test score."""
    answer = report.answer
    if answer.estimate is None:
        scored = [] if answer.test is None else _explain_test(answer)
        none = "No trial has completed yet" if answer.test is None else "No completed trial counts any more"
        texts = (f"{none}: there is no best configuration.", *scored)
        return Section(title="Answer", blocks=tuple(map(Text, texts)))
    blocks: list[Block] = [Cards(_build_cards(answer, answer.estimate)), Text(explain_estimate(answer.estimate))]
    blocks += [Text(text) for text in _explain_test(answer)]
    if answer.test is None:
        blocks.append(Code((format_command("final", "--study", report.study),)))
    blocks += [Alert(_announce_bounds(report.bounds))] if report.bounds else []
    blocks += [_tabulate_best(answer.best[0]), _tabulate_runners_up(answer.best)]
    return Section(title="Answer", blocks=tuple(blocks))


def _build_cards(answer: Answer, estimate: Estimate) -> tuple[Card, ...]:
    best, test = answer.best[0], answer.test
    cards = [
        Card(
            label="best validation accuracy",
            value=f"{best.value:.4f}",
            note=f"trial {best.trial}{_describe_epoch(best)}",
        )
    ]
    if estimate.value is not None and estimate.optimism is not None:
        note = f"{estimate.optimism:.4f} of the best value is the luck of being the best"
        if estimate.optimism < 0:
            note = f"{-estimate.optimism:.4f} above the search's best value"
        cards.append(Card(label="to be expected of it", value=f"{estimate.value:.4f}", note=note))
    if test is None:
        cards.append(Card(label="test accuracy", value="not scored", note="no score of the test set is stored"))
    else:
        low, high = test.test_interval_95
        note = f"95% interval {low:.4f} to {high:.4f}, {test.test_examples} images"
        cards.append(Card(label="test accuracy", value=f"{test.test_accuracy:.4f}", note=note))
    return tuple(cards)


def _describe_epoch(best: BestTrial) -> str:
    return "" if best.epoch is None else f", epoch {best.epoch + 1}"


def explain_estimate(estimate: Estimate) -> str:
    """Return where the selection optimism comes from and what it leaves out."""
    candidates = count_noun(estimate.candidates, "completed configuration")
    interval = ""
    if estimate.interval_95 is not None:
        low, high = estimate.interval_95
        interval = f" (95% interval {low:.4f} to {high:.4f})"
    begin = f"The best of {candidates} owes part of its value to being the highest (Cawley and Talbot 2010). "
    if estimate.candidates == 1 and estimate.method != "fresh seeds":
        begin = "One configuration has completed: nothing was chosen, so that its value owes nothing to selection. "
    if estimate.optimism is None or estimate.value is None:
        return begin + (
            "How much cannot be estimated: the stored accuracies do not tell on how many images they were measured. "
            "The final step measures it if it is given --confirm K."
        )
    expected = f"selection optimism {estimate.optimism:+.4f}, so that {estimate.value:.4f} is to be expected{interval}"
    if estimate.method == "fresh seeds":
        return begin + (
            f"Here it was measured: trial {estimate.trial}, which the confirmation chose, was trained again with seeds "
            f"that played no part in the choice: {expected}. Both numbers share the validation images."
        )
    if estimate.method == "repeats":
        return begin + (
            f"Estimated by a parametric bootstrap (Tsamardinos et al. 2018) with the deviation of the repeats of each "
            f"configuration: {expected}. The chance in the choice of validation images is not in it."
        )
    return begin + (
        "Estimated by a parametric bootstrap (Tsamardinos et al. 2018) with the binomial deviation of "
        f"{estimate.examples} validation images: {expected}. It takes the trials' errors for independent, although "
        "they share these images (too high), and leaves out the luck of seeds and of the best epoch (too low): it is "
        "an order of magnitude. The final step measures the part of the seeds if it is given --confirm K."
    )


def _explain_test(answer: Answer) -> list[str]:
    test = answer.test
    if test is None:
        return ["The test set is sealed until the last step, which retrains the winner and scores it once:"]
    trained = f"retrained for {count_noun(test.epochs, 'epoch')} on {test.retrained_images}"
    texts = [
        f"The test accuracy is that of trial {test.trial}, {trained}, scored {test.scored_at} as look number "
        f"{test.look} at this test set ({test.looks} in this storage by now); the interval is Wilson's."
    ]
    if answer.best and answer.best[0].trial != test.trial:
        texts.append(f"Trial {answer.best[0].trial} has the highest value; the scored one was {_how_chosen(test)}.")
    texts += [] if test.doubt is None else [f"Note: {test.doubt}."]
    known = [(accuracy, name) for name, accuracy in test.class_accuracy.items() if accuracy is not None]
    if known:
        lowest, worst = min(known)
        texts.append(f"The lowest test accuracy of a class is {lowest:.4f} (class {worst}).")
    if lacking := test.classes_without_examples:
        texts.append(f"The test set has no image of {', '.join(lacking)}.")
    if test.variants:
        texts.append(f"The scored network had {', '.join(test.variants)} applied.")
    if seen := test.test_examples_in_training:
        texts.append(f"{seen} of the test images equal a training image: the test accuracy is too high for new ones.")
    return texts


def _how_chosen(test: Score) -> str:
    return (
        "the best when the test set was claimed"
        if test.confirmation is None
        else "chosen by training with further seeds"
    )


def _announce_bounds(bounds: tuple[BoundWarning, ...]) -> str:
    names = ", ".join(dict.fromkeys(each.parameter for each in bounds))
    return f"Better values may lie outside the space: the best ones sit at a bound of {names}; see Space."


def _tabulate_best(best: BestTrial) -> Block:
    return tabulate(("parameter", f"value in trial {best.trial}"), list(best.params.items()))


def _tabulate_runners_up(best: tuple[BestTrial, ...]) -> Block:
    names = [name for name in best[0].params if any(each.params.get(name) != best[0].params[name] for each in best)]
    rows = [(each.trial, f"{each.value:.4f}", *(each.params.get(name, "") for name in names)) for each in best]
    return tabulate(("trial", "value", *names), rows)
