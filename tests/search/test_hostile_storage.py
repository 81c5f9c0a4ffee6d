"""A storage that somebody else may write into: nothing that a row names is run, opened or deleted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import url
from storage.database import open_database
from tests.conftest import copied, execute, use_home
from tests.search.command import Ended, done, run_script, search
from tests.search.earlier import make, planned, random_trials

OBJECTIVE = """from pathlib import Path
Path({marker!r}).write_text("ran")
from objectives import Objective
"""


@pytest.fixture(autouse=True)
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, shared_home)
    return shared_home


@pytest.fixture(scope="module")
def storage(server: str, template: str, shared_home: Path) -> Iterator[str]:
    """A storage with the studies `v` and `other`, whose rows the tests change, and `sound`."""
    with copied(server, template) as address, pytest.MonkeyPatch.context() as patch:
        use_home(patch, shared_home)
        with open_database(url.parse(address)) as database:
            for name in ("v", "other", "sound"):
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
def test_a_path_in_a_studys_record_is_refused_and_not_run(command: list[str], storage: str, shared_home: Path) -> None:
    marker, file = shared_home / "ran", shared_home / "dropped.py"
    file.write_text(OBJECTIVE.format(marker=str(marker)))
    named = "./dropped.py" if "--trials" in command else str(file)
    name_in_record(storage, "objective", named)
    ended = ask(storage, *command, cwd=shared_home)
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
    assert [row["study"] for row in listed.document] == ["other", "sound"]
    assert "'v' is left out" in listed.err


@pytest.mark.parametrize("named", ["/etc", "../elsewhere"])
def test_a_folder_in_a_studys_record_is_refused(named: str, storage: str) -> None:
    name_in_record(storage, "dataset", named)
    ended = ask(storage, "final", "--study", "v")
    name_in_record(storage, "dataset", "digits")
    assert ended.code == 1
    assert f"{named!r} is not the name of a data set" in ended.err


@pytest.mark.slow
def test_a_checkpoint_elsewhere_is_neither_read_nor_deleted_and_the_run_goes_on(
    storage: str, shared_home: Path
) -> None:
    victim = shared_home / "precious.txt"
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


def test_a_settings_file_that_came_with_a_project_chooses_no_storage(storage: str, shared_home: Path) -> None:
    project = shared_home / "project"
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


def test_text_of_the_storage_does_nothing_on_a_terminal(storage: str) -> None:
    acts, shown = "\x1b]0;PWNED\x07\x1b[2J\u202e\u200b[red]", r"\x1b]0;PWNED\x07\x1b[2J\u202e\u200b[red]"
    trial = "(SELECT trial_id FROM trials JOIN studies USING (study_id) WHERE study_name = '{name}' AND number = 1)"
    attribute = "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES "
    study = "(SELECT study_id FROM studies WHERE study_name = 'sound')"
    hostile, original = f"h{acts}", "sound"
    for statement in (
        f"UPDATE depthsearch.studies SET control = 'failed', reason = '{acts}' WHERE name = 'sound'",
        f"UPDATE trials SET state = 'FAIL' WHERE trial_id = {trial.format(name='sound')}",
        f"{attribute} ({trial.format(name='sound')}, 'error', to_json('{acts}'::text)::text)",
        f"UPDATE trial_params SET param_name = '{acts}' WHERE param_name = 'width'",
        f"INSERT INTO depthsearch.workers (worker, study_id, host, device) "
        f"VALUES ('{acts}', {study}, '{acts}', '{acts}')",
        f"UPDATE depthsearch.studies SET name = '{hostile}' WHERE name = '{original}'",
        f"UPDATE studies SET study_name = '{hostile}' WHERE study_name = '{original}'",
    ):
        execute(storage, statement)
    listed = done("list", env={"SEARCH_STORAGE": storage})
    status = done("status", "--study", hostile, env={"SEARCH_STORAGE": storage})
    missed = ask(storage, "status", "--study", f"{hostile}x")
    for ended in (listed, status, missed):
        assert (ended.out + ended.err).replace("\n", "").isprintable()
    assert shown in "".join(listed.out.split())
    for line in (
        f"stopped: {shown}",
        f"worker {shown} on {shown} {shown}:",
        f"trial 1 failed: {shown}",
        f"  {shown}  ",
    ):
        assert line in status.out


def test_status_is_a_json_document_where_a_value_is_infinite(storage: str) -> None:
    execute(
        storage,
        "UPDATE trial_values SET value = NULL, value_type = 'INF_POS' WHERE trial_id = (SELECT trial_id FROM trials "
        "JOIN depthsearch.studies USING (study_id) WHERE name = 'v' AND number = 0)",
    )
    shown = done("status", "--study", "v", "--json", env={"SEARCH_STORAGE": storage})
    assert "Infinity" not in shown.out
    assert (shown.document["best"]["trial"], shown.document["best"]["value"]) == (0, None)


def test_a_working_folder_that_is_gone_is_said_in_one_sentence(shared_home: Path) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" -P -m search list'
    ended = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable], cwd=shared_home, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines() == [
        "error: the working folder no longer exists; change to another folder, then try again"
    ]


def test_no_path_read_from_the_database_reaches_open_unlink_or_import(storage: str, shared_home: Path) -> None:
    """Every text in a study's record and the key of a checkpoint name a path in turn; a hook watches it."""
    named, inside = shared_home / "canary.py", shared_home / "checkpoints" / "canary.py"
    inside.parent.mkdir(exist_ok=True)
    for file in (named, inside):
        file.write_text(OBJECTIVE.format(marker=str(shared_home / "ran")))
    ended = run_script(Path(__file__).with_name("audited_commands.py"), storage, "other", named)
    assert ended.code == 0, ended.err
    touched = ended.document
    assert {"objective", "dataset", "sampler", "policy", "sources.", "overrides+", "versions.torch"} <= touched.keys()
    assert {f"load_checkpoint {named}", "tidy canary.py", "delete"} <= touched.keys()
    assert {where: events for where, events in touched.items() if events} == {}
    assert named.exists()
    assert inside.exists()
    assert not (shared_home / "ran").exists()
