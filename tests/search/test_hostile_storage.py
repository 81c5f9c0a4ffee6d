"""A storage that somebody else may write into: nothing that a row names is run, opened or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import url
from storage.database import open_database
from tests.conftest import copied, execute, open_folder, use_home
from tests.search.command import Ended, done, search
from tests.search.earlier import make, planned, random_trials

OBJECTIVE = """from pathlib import Path
Path({marker!r}).write_text("ran")
from objectives import Objective
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One home for the whole file instead of one for each test."""
    use_home(monkeypatch, folder)
    return folder


@pytest.fixture(scope="module")
def storage(server: str, template: str, folder: Path) -> Iterator[str]:
    """A storage with the studies `v`, whose rows the tests change, and `sound`."""
    with copied(server, template) as address, pytest.MonkeyPatch.context() as patch:
        use_home(patch, folder)
        with open_database(url.parse(address)) as database:
            for name in ("v", "sound"):
                plan = planned(name)
                make(database, plan, name, random_trials(plan.found.objective.space, 6), budget=6)
        yield address


def ask(storage: str, *arguments: str | Path, cwd: Path | None = None) -> Ended:
    return search(*arguments, env={"SEARCH_STORAGE": storage}, cwd=cwd)


def name_in_record(storage: str, key: str, value: str) -> None:
    changed = f"jsonb_set(spec::jsonb, '{{{key}}}', to_jsonb('{value}'::text))::json"
    execute(storage, f"UPDATE depthsearch.studies SET spec = {changed} WHERE name = 'v'")


COMMANDS = {
    "run": ["run", "--study", "v"],
    "run of a fork": ["run", "--study", "v", "--fork", "w"],
    "resume": ["resume", "--study", "v", "--trials", "7"],
    "worker": ["worker", "--study", "v"],
    "final": ["final", "--study", "v"],
    "final that measures": ["final", "--study", "v", "--measure"],
    "status": ["status", "--study", "v"],
    "space": ["space", "--study", "v"],
    "a study that learns from it": ["run", "--study", "n", "--objective", "digits-depth", "--experience", "v"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_path_in_a_studys_record_is_refused_and_not_run(command: list[str], storage: str, folder: Path) -> None:
    marker, file = folder / "ran", folder / "dropped.py"
    file.write_text(OBJECTIVE.format(marker=str(marker)))
    named = "./dropped.py" if "--trials" in command else str(file)
    name_in_record(storage, "objective", named)
    ended = ask(storage, *command, cwd=folder)
    name_in_record(storage, "objective", "digits-depth")
    assert not marker.exists()
    assert ended.code in (1, 2)
    assert "Traceback" not in ended.err
    if "--experience" in command:
        assert "has no finished trial" in ended.err
    else:
        assert f"'{named}' is the path of a file, not the name of an objective" in ended.err


def test_other_studies_are_listed_beside_one_whose_record_was_changed(storage: str) -> None:
    name_in_record(storage, "objective", "/somewhere/else.py")
    listed = done("list", "--json", env={"SEARCH_STORAGE": storage})
    name_in_record(storage, "objective", "digits-depth")
    assert [row["study"] for row in listed.document] == ["sound"]
    assert "'v' is left out" in listed.err


@pytest.mark.parametrize("named", ["/etc", "../elsewhere"])
def test_a_folder_in_a_studys_record_is_refused(named: str, storage: str) -> None:
    name_in_record(storage, "dataset", named)
    ended = ask(storage, "final", "--study", "v")
    name_in_record(storage, "dataset", "digits")
    assert ended.code == 1
    assert f"{named!r} is not the name of a data set" in ended.err


@pytest.mark.slow
def test_a_checkpoint_elsewhere_is_neither_read_nor_deleted_and_the_run_goes_on(storage: str, folder: Path) -> None:
    victim = folder / "precious.txt"
    victim.write_text("precious")
    for trial, key in ((1, str(victim)), (2, "../precious.txt")):
        execute(
            storage,
            "INSERT INTO depthsearch.checkpoints (trial_id, study_id, epoch, key, sha256, size) "
            f"SELECT trial_id, study_id, 1, '{key}', 'x', 1 FROM trials JOIN depthsearch.studies USING (study_id) "
            f"WHERE name = 'v' AND number = {trial}",
        )
    ended = ask(storage, "run", "--study", "v", "--trials", "7", "--workers", "1")
    assert (ended.code, victim.read_text()) == (0, "precious"), ended.err
    assert "'../precious.txt' in the storage is not the key of a checkpoint; that file was not touched" in ended.err


def test_a_settings_file_that_came_with_a_project_chooses_no_storage(storage: str, folder: Path) -> None:
    project = folder / "project"
    project.mkdir()
    (project / "search.toml").write_text(f'storage = "{storage}"\n')
    for command in (["run", "--study", "sound"], ["final", "--study", "sound"], ["list"]):
        ended = search(*command, cwd=project)
        assert (ended.code, ended.out) == (2, "")
        assert f"{project / 'search.toml'} sets 'storage'" in ended.err
    assert "sound" in done("--config", "search.toml", "list", cwd=project).out


def test_commands_that_continue_a_study_say_which_storage_they_use(storage: str) -> None:
    hidden = storage.replace("search@", "search:geheim@")
    for command in ("run", "resume", "worker", "final"):
        ended = search(command, "--study", "not-there", env={"SEARCH_STORAGE": hidden})
        assert "note: the storage is postgresql+psycopg2://search:***@127.0.0.1" in ended.err
        assert "geheim" not in ended.err + ended.out
