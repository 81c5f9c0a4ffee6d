"""Bad input gets one clear sentence that names the value and the remedy, the right exit code, and nothing lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storage import url
from storage.database import open_database
from storage.records import studies
from tests.conftest import execute
from tests.objectives.data import made
from tests.search.command import search


@dataclass(frozen=True)
class Bad:
    """A command line, what its sentence must contain, and its exit code."""

    arguments: list[str]
    says: list[str]
    code: int
    env: dict[str, str] = field(default_factory=dict)


DIGITS = ["run", "--study", "digits-depth"]

TABLE = {
    "no such command": Bad(["serach"], ["serach", "--help"], 2),
    "a misspelled flag": Bad(["run", "--sudy", "x"], ["--sudy", "--study). See `search run --help`."], 2),
    "a study without its flag": Bad(
        ["run", "digits-depth"], ["(digits-depth)", "--study NAME", "search run --help"], 2
    ),
    "a flag of all commands": Bad(["list", "--debug"], ["--debug", "`search --debug list ...`"], 2),
    "no study named": Bad(["run"], ["--study NAME"], 2),
    "no such objective": Bad(["run", "--study", "cifar-dept"], ["'cifar-dept'", "cifar-depth"], 2),
    "no such study, one like it": Bad(["status", "--study", "kepd"], ["'kepd'", "did you mean kept"], 2),
    "no such study at all": Bad(["status", "--study", "zzz"], ["'zzz'", "search list"], 3),
    "resume never creates": Bad(["resume", "--study", "digits-depth"], ["'digits-depth'", "search list"], 3),
    "worker never creates": Bad(["worker", "--study", "digits-depth"], ["'digits-depth'"], 3),
    "stop nothing": Bad(["stop", "--study", "zzz"], ["'zzz'"], 3),
    "final of nothing": Bad(["final", "--study", "zzz"], ["'zzz'"], 3),
    "final without a trial": Bad(["final", "--study", "empty"], ["no completed trial", "search run"], 3),
    "zero trials": Bad([*DIGITS, "--trials", "0"], ["--trials", "0"], 2),
    "negative trials": Bad([*DIGITS, "--trials", "-3"], ["--trials", "-3"], 2),
    "zero epochs": Bad([*DIGITS, "--epochs", "0"], ["--epochs", "0"], 2),
    "zero seconds": Bad([*DIGITS, "--timeout", "0"], ["--timeout", "0"], 2),
    "no number of seconds": Bad([*DIGITS, "--timeout", "nan"], ["--timeout", "nan"], 2),
    "a budget without a unit": Bad([*DIGITS, "--budget", "20"], ["'20'", "20R", "2h"], 2),
    "a budget of nothing": Bad([*DIGITS, "--budget", "0.0R"], ["--budget", "'0.0R'", "above 0"], 2),
    "a budget below nothing": Bad(["resume", "--study", "kept", "--budget", "-2h"], ["'-2h'", "20R", "2h"], 2),
    "more epochs than can be stored": Bad([*DIGITS, "--budget", "2000000000R"], ["--budget", "40000000000"], 2),
    "two times": Bad([*DIGITS, "--budget", "2h", "--timeout", "60"], ["--budget 2h", "--timeout", "one of them"], 2),
    "trials in words": Bad([*DIGITS, "--trials", "many"], ["--trials", "integer"], 2),
    "zero workers": Bad([*DIGITS, "--workers", "0"], ["workers", "0"], 2),
    "too few examples": Bad([*DIGITS, "--train-examples", "3"], ["examples=3"], 2),
    "too many examples": Bad([*DIGITS, "--train-examples", "99999"], ["examples=99999"], 2),
    "no such device": Bad([*DIGITS, "--device", "cuda:77"], ["'cuda:77'", "cpu"], 2),
    "no such sampler": Bad([*DIGITS, "--sampler", "tpee"], ["'tpee'", "did you mean tpe"], 2),
    "no such pruner": Bad([*DIGITS, "--pruner", "halfing"], ["'halfing'", "halving"], 2),
    "override of nothing": Bad([*DIGITS, "--set", "widht=16:32"], ["'widht'", "width"], 2),
    "override out of range": Bad([*DIGITS, "--set", "dropout=0.2:1.5"], ["dropout=0.2:1.5", "at most"], 2),
    "override below a layer": Bad([*DIGITS, "--set", "depth=0"], ["depth=0", "at least 1"], 2),
    "override the wrong way": Bad([*DIGITS, "--set", "width=64:16"], ["width=64:16", "low"], 2),
    "override with no choice": Bad([*DIGITS, "--set", "optimizer=adma"], ["'adma'", "nesterov,adamw"], 2),
    "override without a value": Bad([*DIGITS, "--set", "width"], ["'width'", "name=low:high"], 2),
    "a name with a slash": Bad(["run", "--study", "a/b"], ["a/b", "slashes"], 2),
    "a name too long": Bad(["run", "--study", "x" * 300], ["1 to 200"], 2),
    "no objective file": Bad(["run", "--objective", "nowhere.py"], ["nowhere.py", "that defines OBJECTIVE"], 2),
    "an objective file misspelled": Bad(
        ["run", "--objective", __file__.replace("bad_input", "bat_input")], ["did you mean test_bad_input.py"], 2
    ),
    "sqlite": Bad([*DIGITS, "--storage", "sqlite:///x.db"], ["SQLite", "postgresql://"], 2),
    "mysql": Bad([*DIGITS, "--storage", "mysql://u:hunter2@h/d"], ["mysql", "postgresql"], 2),
    "no URL": Bad([*DIGITS, "--storage", "nonsense"], ["postgresql://"], 2),
    "an empty URL": Bad([*DIGITS, "--storage", ""], ["empty"], 2),
    "no such host": Bad([*DIGITS, "--storage", "postgresql://u@nohost.invalid/d"], ["nohost.invalid"], 1),
    "nobody listens": Bad([*DIGITS, "--storage", "postgresql://u@127.0.0.1:1/d"], ["127.0.0.1:1"], 1),
    "no such storage action": Bad(["storage", "sotp"], ["'sotp'", "stop"], 2),
    "backup to nowhere": Bad(["storage", "backup"], ["--file"], 2),
    "copy without a target": Bad(["storage", "copy", "--study", "kept"], ["--to"], 2),
    "a flag with no use": Bad(["storage", "show", "--to", "x"], ["--to", "drop"], 2),
    "no such data set": Bad(["data", "fashion"], ["fashion", "fashion-mnist"], 2),
    "a setting out of range": Bad(
        ["list"], ["lease_seconds", "SEARCH_LEASE_SECONDS"], 2, {"SEARCH_LEASE_SECONDS": "0"}
    ),
    "a settings file that is none": Bad(["list"], ["SEARCH_CONFIG", "gone.toml"], 2, {"SEARCH_CONFIG": "gone.toml"}),
    "a dashboard for all": Bad(["dashboard", "--host", "0.0.0.0"], ["0.0.0.0", "password"], 2),
}


@pytest.fixture
def kept(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A storage with two studies that every bad command must leave as they are."""
    from search.settings import load
    from search.study.plan import StudyRequest, resolve_new

    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    spec = resolve_new(StudyRequest(study="kept", objective="digits-depth"), load()).spec.to_json()
    with open_database(url.parse(database_url)) as database:
        studies.create(database, "kept", spec, 5)
        studies.create(database, "empty", spec, 5)
    return database_url


def contents(address: str) -> list[tuple[object, ...]]:
    rows = execute(address, "SELECT study_name FROM studies ORDER BY 1")
    rows += execute(address, "SELECT name, trials, control, deadline FROM depthsearch.studies ORDER BY 1")
    return rows + execute(address, "SELECT trial_id, state FROM trials ORDER BY 1")


def check(bad: Bad, tmp_path: Path) -> None:
    ended = search(*bad.arguments, env=bad.env, cwd=tmp_path)
    assert ended.code == bad.code, ended.err
    assert ended.out == ""
    lines = ended.err.strip().splitlines()
    assert len([line for line in lines if not line.startswith(("WARNING", "note"))]) == 1, ended.err
    for text in bad.says:
        assert text in ended.err
    assert "Traceback" not in ended.err
    assert "hunter2" not in ended.err
    assert "looks like a bug" not in ended.err


# The table in parts: one test would take a minute without saying how far it is, one a row a database each.
@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_one_sentence_and_nothing_lost(part: int, kept: str, tmp_path: Path) -> None:
    before = contents(kept)
    for name in sorted(TABLE)[part::6]:
        check(TABLE[name], tmp_path)
        assert contents(kept) == before, name


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 25


def test_a_wrong_password(kept: str, tmp_path: Path) -> None:
    location = url.parse(kept).difference_update_query(["passfile"]).set(password="hunter2")
    address = location.render_as_string(hide_password=False)
    check(Bad(["list"], ["refuses this user or password"], 1, {"SEARCH_STORAGE": address}), tmp_path)
    # In a flag it is warned about, and still not shown.
    check(Bad(["list", "--storage", address], ["refuses", "a password in a flag"], 1), tmp_path)


def test_data_that_cannot_be_used(kept: str, tmp_path: Path) -> None:
    run = ["run", "--study", "fashion-depth", "--data", str(tmp_path / "data")]
    (tmp_path / "data").mkdir()
    check(Bad(run, ["fashion-mnist", str(tmp_path / "data")], 1), tmp_path)
    mine = tmp_path / "data" / "fashion-mnist" / "train"
    mine.mkdir(parents=True)
    check(Bad(run, [str(mine)], 1), tmp_path)
    made.write_folders(mine, made.part(10, 3, (4, 4, 1)), [f"c{n}" for n in range(10)])
    spoiled = next((mine / "c4").iterdir())
    spoiled.write_bytes(b"\x89PNG not really")
    check(Bad(run, [str(spoiled)], 1), tmp_path)
    assert "fashion-depth" not in str(contents(kept))


def test_a_backup_over_something_else(kept: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("what was learnt")
    check(Bad(["storage", "backup", "--file", "notes.txt"], ["notes.txt", "is no backup", "--file"], 2), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "what was learnt"


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    bad = Bad(["list"], [str(tmp_path / "file"), "SEARCH_HOME"], 1, {"SEARCH_HOME": str(tmp_path / "file" / "home")})
    check(bad, tmp_path)


def test_a_settings_file_with_a_mistake(kept: str, tmp_path: Path) -> None:
    (tmp_path / "search.toml").write_text("wrokers = 3\n")
    check(Bad(["list"], ["wrokers", "search.toml"], 2), tmp_path)
    (tmp_path / "search.toml").write_text("workers = = 3\n")
    check(Bad(["list"], ["search.toml", "cannot be read"], 2), tmp_path)
