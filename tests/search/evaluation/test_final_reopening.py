"""A test set is scored again only for a reason in words, and every opening shows from then on.

The tests share a study on digits and run in the order written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from storage import url
from storage.copying.study import copy_study
from storage.database import open_database
from tests.conftest import copied, execute
from tests.search.command import done, search

STUDY = ("--study", "digits-depth")
REASON = "a first look at another variant, für später"
VARIANT = ("--variant", "prune_unstructured:amount=0.9")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: str, template: str) -> Iterator[Path]:
    """A folder for the whole file, with the URL of a database for it."""
    folder = tmp_path_factory.mktemp("reopening")
    with copied(server, template) as address:
        (folder / "url").write_text(address)
        yield folder


@pytest.fixture(autouse=True)
def address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One home, cache and storage for the whole file instead of one for each test."""
    monkeypatch.setenv("SEARCH_HOME", str(folder))
    monkeypatch.setenv("SEARCH_CACHE", str(folder / "cache"))
    address = (folder / "url").read_text()
    monkeypatch.setenv("SEARCH_STORAGE", address)
    return address


def rows(address: str) -> list[tuple[object, ...]]:
    return execute(address, "SELECT opening, reason, look FROM depthsearch.scores ORDER BY score_id")


@pytest.mark.slow
def test_what_was_never_claimed_is_not_opened_again(folder: Path, address: str) -> None:
    done("run", *STUDY, "--trials", "2", "--epochs", "2", "--workers", "1")
    ended = search("final", *STUDY, "--out", folder / "out", "--reopen", REASON)
    assert (ended.code, ended.out) == (2, "")
    assert "a first score needs no reason" in ended.err
    assert len([line for line in ended.err.splitlines() if not line.startswith("note: the storage is")]) == 1
    assert rows(address) == []


@pytest.mark.slow
def test_a_study_that_was_scored_once_says_so(folder: Path) -> None:
    first = done("final", *STUDY, "--out", folder / "out", "--json").document
    assert (first["look"], first["looks"], first["first_time"]) == (1, 1, True)
    [opening] = first["openings"]
    assert opening.keys() == {"opening", "reason", "look", "test_accuracy", "scored_at", "claimed_at"}
    assert (opening["opening"], opening["reason"], opening["look"]) == (1, None, 1)
    assert (opening["test_accuracy"], opening["scored_at"]) == (first["test_accuracy"], first["scored_at"])
    assert json.loads((folder / "out" / "config.json").read_text())["result"]["openings"] == [opening]
    assert "Openings" not in (folder / "out" / "README.md").read_text()
    shown = done("final", *STUDY, "--out", folder / "out").out
    assert "look number 1 at this test set; studies in this storage have scored it once\n" in shown
    assert "opening" not in shown


def test_a_reason_that_is_none_is_a_usage_error(address: str) -> None:
    ended = search("final", *STUDY, "--reopen", "two\nlines")
    assert (ended.code, ended.out) == (2, "")
    assert "--reopen takes a reason of 1 to 500 printable characters on one line" in ended.err
    assert len([line for line in ended.err.splitlines() if not line.startswith("note: the storage is")]) == 1
    assert rows(address) == [(1, None, 1)]


@pytest.mark.slow
def test_a_reason_makes_the_next_opening_with_variants_of_its_own(folder: Path, address: str) -> None:
    before = done("status", *STUDY, "--json").document["final"]
    again = done("final", *STUDY, "--out", folder / "again", "--json", "--reopen", REASON, *VARIANT).document
    assert (again["look"], again["looks"], again["first_time"]) == (2, 2, True)
    assert again["variants"] == [VARIANT[1]]
    assert again["test_accuracy"] != before["test_accuracy"]
    first, second = again["openings"]
    assert [first] == before["openings"]
    assert (second["opening"], second["reason"], second["look"]) == (2, REASON, 2)
    assert second["test_accuracy"] == again["test_accuracy"]
    assert rows(address) == [(1, None, 1), (2, REASON, 2)]
    # The earlier score is still stored.
    [(stored,)] = execute(address, "SELECT result FROM depthsearch.scores WHERE opening = 1")
    assert stored == {name: before[name] for name in before if name not in ("openings", "looks")}
    assert done("status", *STUDY, "--json").document["final"]["openings"] == [first, second]
    assert json.loads((folder / "again" / "config.json").read_text())["result"]["openings"] == [first, second]
    card = (folder / "again" / "README.md").read_text()
    assert "The study claimed this test set 2 times" in card
    assert f"test accuracy {first['test_accuracy']:.4f}, look number 1\n" in card
    assert f"test accuracy {second['test_accuracy']:.4f}, look number 2; reason: {REASON}\n" in card


def test_every_opening_is_shown_to_people(folder: Path) -> None:
    final = done("status", *STUDY, "--json").document["final"]
    shown = done("final", *STUDY, "--out", folder / "again").out
    assert "studies in this storage have scored it 2 times\n" in shown
    one, other = [line for line in shown.splitlines() if line.startswith("opening ")]
    first, second = final["openings"]
    assert one == f"opening 1, {first['scored_at']}: test accuracy {first['test_accuracy']:.4f}, look number 1"
    assert other == (
        f"opening 2, {second['scored_at']}: test accuracy {second['test_accuracy']:.4f}, look number 2; "
        f"reason: {REASON}"
    )


def test_what_a_killed_scorer_left_undescribed_is_described_by_the_next(folder: Path) -> None:
    description = folder / "again" / "config.json"
    expected = description.read_text()
    # Killed while it described the first opening, or the second; both have the same weights.
    for left in ((folder / "out" / "config.json").read_text(), expected[:99], None):
        description.unlink()
        if left is not None:
            description.write_text(left)
        done("final", *STUDY, "--out", folder / "again")
        assert description.read_text() == expected
    (folder / "again" / "model.safetensors").write_bytes(b"of another network")
    description.unlink()
    done("final", *STUDY, "--out", folder / "again")
    assert not description.exists()


@pytest.mark.slow
def test_a_claim_whose_weights_are_lost_is_left_behind_for_a_reason(folder: Path, address: str) -> None:
    lost = "UPDATE depthsearch.scores SET look = NULL, result = NULL, weights_sha256 = repeat('0', 64)"
    execute(address, f"{lost} WHERE opening = 2")
    refused = search("final", *STUDY, "--out", folder / "out")
    assert refused.code == 1
    assert "was claimed for weights 000000000000" in refused.err
    assert "--reopen REASON" in refused.err
    result = done("final", *STUDY, "--out", folder / "out", "--json", "--reopen", "lost").document
    assert rows(address) == [(1, None, 1), (2, REASON, None), (3, "lost", 2)]
    assert [opening["look"] for opening in result["openings"]] == [1, None, 2]
    unscored = result["openings"][1]
    assert (unscored["test_accuracy"], unscored["scored_at"]) == (None, None)


@pytest.mark.slow
def test_a_new_study_of_the_same_name_takes_a_further_look(folder: Path, address: str) -> None:
    optuna.delete_study(study_name=STUDY[1], storage=RDBStorage(address))
    done("run", *STUDY, "--trials", "1", "--epochs", "1", "--workers", "1")
    assert done("status", *STUDY, "--json").document["final"] is None
    result = done("final", *STUDY, "--out", folder / "new", "--json").document
    assert (result["look"], result["looks"], result["first_time"]) == (3, 3, True)
    assert len(result["openings"]) == 1
    assert "studies in this storage have scored it 3 times\n" in done("final", *STUDY).out


def test_a_study_of_another_name_is_still_scored(address: str) -> None:
    """Renamed in both tables, as a rename of ours would do it: the test set is the study's, not the name's."""
    execute(address, "UPDATE studies SET study_name = 'renamed'")
    execute(address, "UPDATE depthsearch.studies SET name = 'renamed'")
    result = done("final", "--study", "renamed", "--json").document
    assert (result["look"], result["looks"], result["first_time"]) == (3, 3, False)


def test_a_study_that_moved_is_not_opened_again_here(address: str, empty_database_url: str) -> None:
    with open_database(url.parse(address)) as source, open_database(url.parse(empty_database_url)) as target:
        copy_study(source, target, "renamed")
    assert done("final", "--study", "renamed", "--json").document["look"] == 3
    ended = search("final", "--study", "renamed", "--reopen", "here, too")
    assert ended.code == 3
    assert "score it there" in ended.err
    there = done("final", "--study", "renamed", "--json", "--storage", empty_database_url).document
    assert (there["look"], len(there["openings"])) == (3, 1)
