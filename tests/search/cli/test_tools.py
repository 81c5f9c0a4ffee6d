"""The commands beside the main job: doctor, data, space, storage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.objectives.data import made
from tests.search.command import Ended, done, search


def test_doctor_finds_all_well(database_url: str) -> None:
    shown = done("doctor", "--json", "--storage", database_url).document
    assert [finding["check"] for finding in shown if finding["fine"]] == [
        "installation",
        "home",
        "cache",
        "temporary files",
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
    assert "FAIL storage: the storage postgresql://u@127.0.0.1:1/d cannot be reached" in ended.out
    assert "1 of 12 checks failed: storage" in ended.err


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


@pytest.mark.slow
def test_what_is_not_used_of_a_data_set_is_said_when_it_is_prepared_and_when_a_study_is_made(
    tmp_path: Path, database_url: str
) -> None:
    train = tmp_path / "flowers" / "train"
    made.write_folders(train, made.part(2, 6, (8, 8, 1)), ["rose", "tulip"])
    made.write_file(train / "rose" / "more" / "deep" / "1.png", b"")
    made.write_file(train / "tulip" / "1.heic", b"")
    shown = done("data", "flowers", "--data", tmp_path).out
    for part in (
        "1 file in sub-folders of classes (train/rose/more)",
        "1 file of other types (.heic)",
    ):
        assert part in " ".join(shown.split())
    assert "note: not used of" in run_own(tmp_path, database_url, trials=1).err


@pytest.mark.slow
def test_decoded_data_that_was_changed_between_two_runs_is_noticed_once(tmp_path: Path, database_url: str) -> None:
    made.write_folders(tmp_path / "flowers" / "train", made.part(2, 6, (8, 8, 1)), ["rose", "tulip"])
    run_own(tmp_path, database_url, trials=1)
    folder = Path(done("data", "flowers", "--data", tmp_path, "--json").document["folder"])
    (folder / "images.npy").chmod(0o600)
    images = np.load(folder / "images.npy", mmap_mode="r+")
    images[:] = 0
    images.flush()
    assert run_own(tmp_path, database_url, trials=2).err.count("decoded again") == 1


def run_own(folder: Path, database_url: str, *, trials: int) -> Ended:
    """Run a study on the data set `flowers` of a folder."""
    objective = made.write_file(
        folder / "own.py",
        b"from torch import nn\n\nfrom objectives import Objective\nfrom spaces import Float, Space\n\n\n"
        b"def train(config, data, report):\n    report(0, {'accuracy': config.x})\n    return nn.Linear(64, 2)\n\n\n"
        b"OBJECTIVE = Objective(data='flowers', train=train, epochs=1, trials=1, space=Space(x=Float(0.1, 0.9)))\n",
    )
    where = ("--objective", objective, "--data", folder, "--workers", "1", "--experience", "none")
    return done("run", *where, "--trials", str(trials), "--storage", database_url)


@pytest.mark.slow
@pytest.mark.long
def test_a_long_path_for_temporary_files_is_no_obstacle_and_doctor_tells_it(tmp_path: Path, database_url: str) -> None:
    long = tmp_path / ("scratch-of-the-job-" * 5)
    long.mkdir()
    # Cold, because Python looks at TMPDIR once.
    storage, env = ("--storage", database_url), {"TMPDIR": str(long)}
    done(
        "run",
        "--study",
        "digits-depth",
        "--trials",
        "1",
        "--epochs",
        "1",
        "--workers",
        "1",
        *storage,
        env=env,
        cold=True,
    )
    found = {each["check"]: each["found"] for each in done("doctor", "--json", *storage, env=env, cold=True).document}
    assert found["temporary files"] == f"{long}; sockets in /tmp, because that path is too long for them"


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
