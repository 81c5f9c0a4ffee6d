"""A voided trial is never chosen, retrained or scored; a score that was taken before stays, with a note."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import execute
from tests.search.command import done, search, start, until

# Its accuracy is its only parameter. A retraining, which has no validation images apart, can be made to wait.
OWN = """
    import os
    import time

    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Space


    def train(config, data, report):
        if data.merged:
            open(os.environ["RETRAINING"], "a").write(f"{config.x}\\n")
            while os.path.exists(os.environ["GATE"]):
                time.sleep(0.05)
        report(0, {"accuracy": config.x})
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


    OBJECTIVE = Objective(data="digits", train=train, epochs=1, trials=4, space=Space(x=Float(0, 1)))
"""

BEST_FIRST = "SELECT number FROM trials JOIN trial_values USING (trial_id) ORDER BY value DESC"


@pytest.fixture
def flags(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str | Path, ...]:
    """The flags of a study whose four trials are complete."""
    path = tmp_path / "own.py"
    path.write_text(textwrap.dedent(OWN))
    monkeypatch.setenv("GATE", str(tmp_path / "gate"))
    monkeypatch.setenv("RETRAINING", str(tmp_path / "retraining"))
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    flags = ("--study", "own", "--objective", path, "--out", tmp_path / "out")
    done("run", *flags[:4], "--sampler", "random", "--pruner", "none", "--workers", "1", "--device", "cpu")
    return flags


def void(trial: int) -> None:
    done("void", "--study", "own", "--trial", str(trial), "--reason", "fan broke")


def refuse(code: int, *arguments: str | Path) -> str:
    """Run a command that ends with this code and one sentence, and return that."""
    ended = search(*arguments)
    lines = [line for line in ended.err.splitlines() if not line.startswith("note: ")]
    assert (ended.code, len(lines), ended.out) == (code, 1, ""), ended.err
    return lines[0]


def scored(*flags: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = done("final", *flags, "--json").document
    return document


@pytest.mark.slow
def test_a_voided_trial_is_not_scored_and_a_score_taken_before_stays_with_a_note(
    flags: tuple[str | Path, ...], tmp_path: Path, database_url: str
) -> None:
    order = [number for (number,) in execute(database_url, BEST_FIRST)]
    void(order[0])

    # Voided while it is retrained: nothing is claimed.
    (tmp_path / "gate").touch()
    final = start("final", *flags)
    until((tmp_path / "retraining").exists, "the retraining")
    void(order[1])
    (tmp_path / "gate").unlink()
    _, err = final.communicate(timeout=120)
    assert final.returncode == 1
    assert f"trial {order[1]} was voided while it was retrained (fan broke); nothing was claimed or scored" in err
    assert execute(database_url, "SELECT count(*) FROM depthsearch.scores") == [(0,)]

    # The score of the next best one stays when that is voided, too.
    first = scored(*flags)
    assert (first["trial"], first["first_time"], "void_reason" in first) == (order[2], True, False)
    void(order[2])
    again = scored(*flags)
    assert again == {**first, "first_time": False, "void_reason": "fan broke"}
    note = f"note: trial {order[2]}, whose score this is, was voided since (fan broke); the score stays"
    assert note in done("final", *flags).out
    shown = done("status", "--study", "own")
    assert note in shown.out
    assert f"best validation accuracy {again['validation_accuracy']:.4f}" not in shown.out
    assert done("status", "--study", "own", "--json").document["final"]["void_reason"] == "fan broke"
    done("report", "--study", "own", "--out", tmp_path / "report", "--format", "md")
    assert f"trial {order[2]}, whose score this is, was voided since" in (tmp_path / "report" / "report.md").read_text()

    # Another look is of the best of those that count; without any, there is nothing to score.
    other = scored(*flags, "--reopen", "trial was void")
    assert (other["trial"], "void_reason" in other) == (order[3], False)
    assert [each["opening"] for each in other["openings"]] == [1, 2]
    void(order[3])
    assert "no completed trial" in refuse(3, "final", *flags, "--reopen", "again")
    done("report", "--study", "own", "--out", tmp_path / "report", "--format", "md")
    assert f"The test accuracy is that of trial {order[3]}" in (tmp_path / "report" / "report.md").read_text()
    retrained = (tmp_path / "retraining").read_text().split()
    assert len(retrained) == len(set(retrained)) == 3, "the one that was voided first was never retrained"


@pytest.mark.slow
@pytest.mark.long
def test_a_claim_for_a_trial_that_was_voided_since_is_refused(flags: tuple[str | Path, ...], database_url: str) -> None:
    order = [number for (number,) in execute(database_url, BEST_FIRST)]
    scored(*flags)
    execute(database_url, "UPDATE depthsearch.scores SET result = NULL, look = NULL, scored_at = NULL")
    void(order[0])
    said = refuse(1, "final", *flags)
    assert f"was claimed for trial {order[0]}, which was voided since (fan broke)" in said
    assert execute(database_url, "SELECT count(*) FROM depthsearch.scores WHERE result IS NOT NULL") == [(0,)]
    assert scored(*flags, "--reopen", "void")["trial"] == order[1]
