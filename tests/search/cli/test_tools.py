"""The commands beside the main job: doctor, data, space, storage."""

from __future__ import annotations

from pathlib import Path

from tests.objectives.data import made
from tests.search.command import done, search


def test_doctor_finds_all_well(database_url: str) -> None:
    shown = done("doctor", "--json", "--storage", database_url).document
    assert [finding["check"] for finding in shown if finding["fine"]] == [
        "installation",
        "home",
        "cache",
        "storage",
        "checkpoints",
        "objectives",
        "data",
        "devices",
        "user",
        "secrets",
        "test files",
        "role",
        "pooler",
        "encryption",
        "trials",
    ]


def test_doctor_says_what_is_wrong() -> None:
    ended = search("doctor", "--storage", "postgresql://u@127.0.0.1:1/d")
    assert ended.code == 1
    assert "FAIL storage: the storage postgresql+psycopg2://u@127.0.0.1:1/d cannot be reached" in ended.out
    assert "1 of 11 checks failed: storage" in ended.err


def test_data_lists_and_prepares(tmp_path: Path) -> None:
    made.write_folders(tmp_path / "flowers" / "train", made.part(3, 4, (6, 6, 3)), ["rose", "tulip", "violet"])
    listed = done("data", "--data", tmp_path, "--json").document
    here = {row["name"]: row["here"] for row in listed["sets"]}
    assert here["digits"]
    assert here["flowers"]
    assert not here["cifar10"]
    prepared = done("data", "flowers", "--data", tmp_path, "--json").document
    assert (prepared["examples"], prepared["classes"]) == (12, ["rose", "tulip", "violet"])
    assert prepared["image_shape"] == [3, 6, 6]


def test_space_shows_objectives_and_changes() -> None:
    listed = done("space", "--json").document
    assert {row["objective"] for row in listed} >= {"digits-depth", "cifar-conv"}
    plain = done("space", "--study", "digits-depth", "--json").document
    changed = done("space", "--study", "digits-depth", "--set", "optimizer=adamw", "--json").document
    assert plain["digest"] != changed["digest"]
    names = [row["name"] for row in changed["space"]]
    assert "adamw.learning_rate" in names
    assert "nesterov.momentum" not in names
    table = done("space", "--study", "digits-depth").out
    assert "nesterov.momentum" in table
    assert "optimizer = nesterov" in table


def test_storage_shows_starts_and_stops_the_embedded_server(home: Path) -> None:
    assert done("storage", "--json").document["running"] is False
    started = done("storage", "start").out
    assert "until `search storage stop`" in started
    shown = done("storage", "--json").document
    assert (shown["kind"], shown["running"], shown["home"]) == ("embedded", True, str(home))
    done("list")  # joins it, and leaves it running
    assert done("storage", "--json").document["running"] is True
    done("storage", "stop")
    assert done("storage", "--json").document["running"] is False
    assert search("storage", "stop").code == 3
