"""The model card and the configuration file, from the stored results of a real study."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from search.errors import SearchError
from search.evaluation.model_card import WEIGHTS_FILE, ModelCard, check_folder, lacks_model_card, write_whole
from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Score
from search.study.spec import StudySpec

STORED = json.loads((Path(__file__).parent / "stored" / "version_3.json").read_text())
FIRST, REOPENED = (Score.from_json(STORED[name]) for name in ("final_first", "final_reopened"))
WINNER = ClaimedWinner(trial=1, configuration={"depth": 2}, finished=3)
SPEC = StudySpec.from_json(
    {"objective": "digits-depth", "dataset": "digits", "versions": {"torch": "2.14.1"}, "space_digest": "d"}
)


def card(score: Score, winner: ClaimedWinner = WINNER) -> ModelCard:
    return ModelCard(score=score, winner=winner, spec=SPEC)


def test_a_card_tells_how_the_winner_was_found_and_what_it_scored() -> None:
    text = card(FIRST).render()
    assert "trial\n1, retrained on training and validation images of `digits`.\n" in text
    assert "| test accuracy | 0.8997 on 359 images, scored once |\n" in text
    assert "| macro F1, expected calibration error | 0.8975, 0.1840 |\n| 95% interval | 0.8643 to 0.9267" in text
    assert (
        "| validation accuracy in the search | 0.8229, among the best 2 of 3 trials, chosen by 3 further seeds each |\n"
        "| selection optimism | +0.0139 (95% interval -0.0425 to +0.0703): the search's best value less this "
        "configuration's mean over fresh seeds |\n"
        "| validation less test accuracy | -0.0768 |\n"
    ) in text
    assert "| width | 31 |\n" in text
    assert "Variants" not in text
    assert "Openings" not in text


def test_a_card_tells_of_variants_and_openings() -> None:
    text = card(REOPENED).render()
    assert "| 0.8229, the best of 3 trials |\n" in text
    assert "with `prune_unstructured:amount=0.5` applied;\n" in text
    assert "| + prune_unstructured:amount=0.5 | 0.7847 | 1.1027 | 50.0% | 3,327 |\n" in text
    assert "The study claimed this test set 2 times;" in text
    assert "look number 2; reason: a label of the test part was wrong\n" in text


def test_names_and_reasons_are_text_in_a_card() -> None:
    hostile = "x <img src=x onerror=a()> | `b`\n# heading \x1b[2J\u202e"
    score = replace(
        REOPENED,
        study=hostile,
        params={hostile: hostile},
        scored_at=hostile,
        openings=tuple(replace(each, reason=hostile) for each in REOPENED.openings),
    )
    text = ModelCard(score=score, winner=WINNER, spec=replace(SPEC, versions={hostile: hostile})).render()
    assert text.replace("\n", "").isprintable()
    assert "<img" not in text
    assert "\n# heading" not in text
    assert "| `b`" not in text
    assert text.count("x &lt;img src=x onerror=a()&gt;") >= 7


def test_a_card_leaves_out_what_is_not_known() -> None:
    text = card(replace(FIRST, macro_f1=None, confirmation=None), ClaimedWinner(trial=1)).render()
    assert "359 images, scored once |\n| 95% interval |" in text
    assert "the best of the study's trials |" in text
    assert "None" not in text


def test_a_folder_is_complete_once_its_configuration_has_the_look(tmp_path: Path) -> None:
    weights = b"weights"
    score = replace(FIRST, weights_sha256=hashlib.sha256(weights).hexdigest())
    assert not lacks_model_card(tmp_path, score)  # there is nothing to describe
    write_whole(tmp_path / WEIGHTS_FILE, weights)
    assert lacks_model_card(tmp_path, score)
    card(score).write(tmp_path)
    assert not lacks_model_card(tmp_path, score)
    assert lacks_model_card(tmp_path, replace(score, look=2))
    assert not lacks_model_card(tmp_path, replace(score, look=2, weights_sha256="0" * 64))
    (tmp_path / "config.json").write_text("{")
    assert lacks_model_card(tmp_path, score)


def test_the_configuration_does_not_depend_on_who_writes_it(tmp_path: Path) -> None:
    for first_time in (True, False, None):
        card(replace(FIRST, first_time=first_time)).write(tmp_path)
        document = json.loads((tmp_path / "config.json").read_text())
        assert document["result"] == {k: v for k, v in STORED["final_first"].items() if k != "first_time"}
    assert document.keys() - {"result"} == {
        *("objective", "dataset", "finished", "versions", "configuration", "space_digest"),
    }
    assert (document["configuration"], document["finished"]) == ({"depth": 2}, 3)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SearchError, match=r"cannot be written .* name another folder with --out"):
        card(FIRST).write(tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_found_before_the_training(tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "folder")
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(SearchError, match=r"cannot be written \(Not a directory\); name another folder with --out"):
        check_folder(tmp_path / "file" / "results")
