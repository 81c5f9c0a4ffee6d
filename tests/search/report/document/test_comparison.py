"""Several studies side by side, against values worked out by hand."""

from __future__ import annotations

from optuna.trial import TrialState

from search.report.document.content.comparison import compare_studies
from search.report.document.rendering.figures import draw_comparison
from search.report.document.rendering.markdown import render_markdown
from search.report.document.wording.comparison import word_comparison
from spaces import Int
from tests.search.report.document.made import SPACE, make_facts, make_score, make_spec
from tests.search.report.plots.made import make_trial

FIRST = make_facts(
    make_trial(0, (0.5, 0.6, 0.7, 0.7)),
    make_trial(1, (0.9, 0.95), TrialState.PRUNED),
    make_trial(2, (0.5, 0.6, 0.7, 0.8)),
    name="first",
    final=make_score(),
)
OTHER_SPACE = SPACE.replace(width=Int(16, 64))
SECOND = make_facts(
    make_trial(0, (0.6, 0.6, 0.6, 0.6)),
    make_trial(1, (0.5, 0.5, 0.5, 0.5)),
    name="second|x",
    spec=make_spec(OTHER_SPACE, split_fingerprint="f" * 64),
)


def test_studies_are_compared_at_the_epochs_that_all_have_trained() -> None:
    comparison = compare_studies([FIRST, SECOND])
    first, second = comparison.studies
    assert comparison.common_epochs == 8
    assert first.best_so_far == ((4, 0.7), (10, 0.8))  # a stopped trial has no value, but its epochs count
    assert second.best_so_far == ((4, 0.6),)
    assert (first.at_common, first.best_value, second.at_common, second.best_value) == (0.7, 0.8, 0.6, 0.6)
    assert (first.epochs_trained, second.epochs_trained) == (10, 8)
    assert second.space_differences == ("~ width: 16:256 -> 16:64",)
    assert second.warnings == ("its validation images are not those of first: small differences may come from that",)
    assert first.warnings == ()


def test_a_comparison_is_drawn_and_worded() -> None:
    comparison = compare_studies([FIRST, SECOND])
    figure = draw_comparison(comparison)
    text = render_markdown(word_comparison(comparison, (figure.plot,)))
    assert "| first | 0.7000 | 0.8000 | 10 | 2 | 1 | 0.8750 (0.8500 to 0.9000) |" in text
    assert "second\\|x" in text
    assert "second|x" in figure.content


def test_a_study_without_trials_can_be_compared() -> None:
    comparison = compare_studies([FIRST, make_facts(name="empty")])
    assert (comparison.common_epochs, comparison.studies[1].best_value) == (0, None)
    assert draw_comparison(comparison).content
    assert "none" in render_markdown(word_comparison(comparison, ()))
