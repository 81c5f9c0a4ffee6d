"""Results as frozen values: read from what a storage keeps, and printed as the command line always has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from search.evaluation.results.claimed import ClaimedWinner
from search.evaluation.results.score import Score

# Printed by `final --json` of the program that made storages of version 3.
VERSION_3: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "stored" / "version_3.json").read_text())


@pytest.mark.parametrize("name", VERSION_3)
def test_a_stored_score_is_printed_as_it_was(name: str) -> None:
    document = VERSION_3[name]
    # As text: the order of the names counts, and so does the difference between 1 and 1.0.
    assert json.dumps(Score.from_json(document).to_json()) == json.dumps(document)
    status = {key: value for key, value in document.items() if key != "first_time"}
    assert json.dumps(Score.from_json(status).to_json()) == json.dumps(status)


def test_a_score_tells_what_it_was() -> None:
    score = Score.from_json(VERSION_3["final_first"])
    assert (score.study, score.trial, score.look, score.looks, score.first_time) == ("scored", 1, 1, 1, True)
    assert score.test_interval_95 == (0.864294800589441, 0.926684270360186)
    assert score.confirmation is not None
    first, second = score.confirmation.candidates
    assert (first.trial, first.seeds, first.dropped_in_round, second.reason) == (1, 3, None, "behind")
    assert score.confirmation.optimism.value == pytest.approx(0.0138889, abs=1e-7)
    reopened = Score.from_json(VERSION_3["final_reopened"])
    assert reopened.variants == ("prune_unstructured:amount=0.5",)
    assert [effect.variant for effect in reopened.variant_effects] == [None, *reopened.variants]
    assert [opening.reason for opening in reopened.openings] == [None, "a label of the test part was wrong"]


def test_what_an_early_program_did_not_store_has_a_default() -> None:
    names = ("study", "trial", "params", "validation_accuracy", "test_accuracy", "test_interval_95", "test_examples")
    names += ("epochs", "seed", "weights_sha256", "look", "scored_at")
    early = {name: VERSION_3["final_first"][name] for name in names}
    score = Score.from_json({**early, "of_a_later_program": 1})
    assert (score.class_accuracy, score.macro_f1, score.confirmation) == ({}, None, None)
    assert (score.variants, score.openings, score.looks, score.first_time) == ((), (), 1, None)
    shown = score.to_json()
    assert shown.items() >= early.items()
    assert shown.keys() == VERSION_3["final_first"].keys() - {"first_time"}


def test_a_claim_is_stored_as_it_was() -> None:
    reopened = VERSION_3["final_reopened"]
    stored = {
        "trial": 1,
        "seed": 2,
        "configuration": {"depth": 2, "schedule": {"name": "constant"}},
        "finished": 3,
        "confirmation": VERSION_3["final_first"]["confirmation"],
        "variants": reopened["variants"],
        "variant_effects": reopened["variant_effects"],
    }
    assert json.dumps(ClaimedWinner.from_json(stored).to_json()) == json.dumps(stored)
    assert ClaimedWinner.from_json({"trial": 4}) == ClaimedWinner(trial=4)


def test_results_import_neither_torch_nor_optuna() -> None:
    code = """if True:
        import sys
        from search.evaluation.results import claimed, score
        sys.exit(not {"torch", "optuna", "sqlalchemy"}.isdisjoint(sys.modules))
    """
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
