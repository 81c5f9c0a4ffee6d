"""What `final` prints for people, from the stored results of a real study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from search.display.final_report import show_effects, show_score
from search.evaluation.results.score import Score
from search.evaluation.results.variants import MeasuredVariants

STORED = json.loads((Path(__file__).parents[1] / "evaluation" / "stored" / "version_3.json").read_text())
FIRST, REOPENED = (Score.from_json(STORED[name]) for name in ("final_first", "final_reopened"))


def shown(capsys: pytest.CaptureFixture[str], score: Score) -> list[str]:
    show_score(score, Path("results/scored"), as_json=False)
    captured = capsys.readouterr()
    assert captured.err == ""
    return [" ".join(line.split()) for line in captured.out.splitlines()]


def test_a_score_with_its_confirmation(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, FIRST)
    assert lines[:8] == [
        "the 2 best trials were trained again, with up to 3 further seeds each:",
        "trial value in search mean sd lower bound seeds outcome",
        "1 0.8229 0.8241 0.0087 0.8093 3 chosen",
        "2 0.6910 0.6233 0.0074 0.5904 2 dropped in round 2: behind",
        "trial 1 was chosen for the highest lower bound (95%) of its mean accuracy; trained with 5 fresh seeds, which "
        "played no part in the choice, it reaches 0.8090 on average",
        "selection optimism: the search's best value, 0.8229, is 0.0139 above that average (95% interval of the "
        "difference -0.0425 to +0.0703); a positive difference is the luck of the best of many trials",
        "these accuracies share the same validation images; how well they predict others, the test accuracy tells",
        "study scored, trial 1, retrained for 2 epochs on training and validation images",
    ]
    assert lines[8 + len(FIRST.params) :] == [
        "test accuracy 0.8997 (95% interval 0.8643 to 0.9267, 359 images)",
        "macro F1 0.8975, expected calibration error 0.1840",
        "lowest accuracy of a class: 0.7429 (class 8)",
        "validation accuracy in the search 0.8229, 0.0768 below the test accuracy",
        "scored 2026-11-26T17:25:42+00:00, look number 1 at this test set; studies in this storage have scored it once",
        "weights, configuration and model card are in results/scored",
    ]


def test_a_score_with_variants_and_an_earlier_opening(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, replace(REOPENED, first_time=False))
    assert lines[0] == "study scored, trial 1, retrained for 2 epochs on training and validation images"
    after = lines[1 + len(REOPENED.params) :]
    assert after[:4] == [
        "scored with prune_unstructured:amount=0.5; effects on the validation images, before the retraining:",
        "variant validation accuracy loss zero weights parameters",
        "the trial's own network 0.8229 0.8325 0.0% 3,327",
        "+ prune_unstructured:amount=0.5 0.7847 1.1027 50.0% 3,327",
    ]
    assert after[-4:] == [
        "scored 2026-11-26T17:25:51+00:00, look number 2 at this test set; studies in this storage have scored it 2 "
        "times",
        "opening 1, 2026-11-26T17:25:42+00:00: test accuracy 0.8997, look number 1",
        "opening 2, 2026-11-26T17:25:51+00:00: test accuracy 0.8774, look number 2; reason: a label of the test part "
        "was wrong",
        "this is a stored score; the test set was not opened again",
    ]


def test_a_stored_score_does_nothing_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;PWNED\x07\x1b[2J\u202e[red]"
    openings = tuple(replace(each, reason=hostile) for each in REOPENED.openings)
    show_score(
        replace(
            REOPENED,
            study=hostile,
            params={hostile: hostile},
            scored_at=hostile,
            openings=openings,
            class_accuracy={hostile: 0.5},
            variant_effects=tuple(replace(each, variant=hostile) for each in REOPENED.variant_effects),
        ),
        Path("out"),
        as_json=False,
    )
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert out.count(r"\x1b[2J\u202e[red]") >= 7


@pytest.mark.parametrize(
    ("validation", "compared"),
    [(0.9, "0.0500 above the test accuracy"), (0.85001, "equal to the test accuracy"), (0.84, "0.0100 below the test")],
)
def test_a_difference_is_said_in_words(capsys: pytest.CaptureFixture[str], validation: float, compared: str) -> None:
    lines = shown(capsys, replace(FIRST, test_accuracy=0.85, validation_accuracy=validation))
    assert any(f"validation accuracy in the search {validation:.4f}, {compared}" in line for line in lines)


def test_a_score_of_an_early_program(capsys: pytest.CaptureFixture[str]) -> None:
    early = replace(FIRST, macro_f1=None, calibration_error=None, class_accuracy={}, confirmation=None)
    assert not any(
        "macro F1" in line or "lowest accuracy" in line or "optimism" in line for line in shown(capsys, early)
    )


def test_effects_of_variants(capsys: pytest.CaptureFixture[str]) -> None:
    measured = MeasuredVariants(
        study="scored", trial=1, variants=REOPENED.variants, variant_effects=REOPENED.variant_effects
    )
    show_effects(measured, as_json=False)
    assert capsys.readouterr().out.splitlines()[0] == (
        "study scored, trial 1 as trained in the search, on the validation images; the test set was not opened:"
    )
    show_effects(measured, as_json=True)
    expected = {name: STORED["final_reopened"][name] for name in ("study", "trial", "variants", "variant_effects")}
    assert json.loads(capsys.readouterr().out) == expected


def test_a_score_is_a_line_for_people() -> None:
    assert str(FIRST) == (
        "scored: test accuracy 0.8997 (95% interval 0.8643 to 0.9267, 359 images), trial 1; 0.8229 in the search"
    )
