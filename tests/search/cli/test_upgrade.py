"""A storage that the last program of version 3 left: upgraded, continued to its exact budget, its score still there."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from search.strategies.policy import describe_policy
from search.strategies.registry import DEFAULT_PRUNER, DEFAULT_SAMPLER
from storage import url
from storage.copying.backup import restore
from storage.database import open_database
from storage.embedded.server import EmbeddedServer
from storage.records import epochs, studies
from storage.schema import VERSION
from tests.conftest import execute
from tests.search.command import Ended, done, search
from tests.storage.migrations import fixture
from tests.storage.migrations.fixture import EXPECTED, HALF_DONE, SCORED

POLICY = describe_policy(DEFAULT_SAMPLER, DEFAULT_PRUNER)
KILLED = "4"
"""The number of the trial that was killed, with a checkpoint after its epochs 0 and 1."""


@pytest.fixture
def old(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A storage of version 3, which is the one of every command, with its checkpoints."""
    fixture.load(empty_database_url)
    fixture.unpack_checkpoints(tmp_path / "checkpoints")
    monkeypatch.setenv("SEARCH_STORAGE", empty_database_url)
    monkeypatch.setenv("SEARCH_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("SEARCH_CHECKPOINT_SHARE", "1")
    return empty_database_url


@contextmanager
def one_core() -> Iterator[None]:
    """Give the commands that the block starts one core, and so one thread, as the old program had."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def version(address: str) -> object:
    return execute(address, "SELECT version FROM depthsearch.version")[0][0]


def trials(address: str, study: str) -> dict[str, dict[str, Any]]:
    """A study's trials by number, as the expected ones are written down."""
    with open_database(url.parse(address)) as database:
        assert studies.get(database.engine, study).control == "run"
        return {
            str(trial.number): {
                "state": trial.state.name,
                "params": trial.params,
                "accuracies": [row["accuracy"] for row in epochs.read_curve(database.engine, trial._trial_id)],
                "hardware": trial.user_attrs.get("hardware"),
                "threads": trial.user_attrs.get("threads"),
                "seed": trial.user_attrs.get("seed"),
                "continued": trial.user_attrs.get("continued"),
            }
            for trial in optuna.load_study(study_name=study, storage=database.optuna).get_trials()
        }


def without(trial: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in trial.items() if name not in names}


def as_printed_now(status: dict[str, Any], pruner: str) -> dict[str, Any]:
    """What the program of version 3 printed of a study, with what has been added since."""
    policies = [{"policy": f"curves/1+{pruner}/1", "first_trial": 0}]
    budget = {**status["budget"], "epochs": None}
    added = {"comparison": None, "faults": {}, "diagnoses": [], "priority": 0, "voided": []}
    best = {**status["best"], "machines": []}
    return {**status, "best": best, "budget": budget, "policies": policies, **added}


def is_same_machine(trial: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether the trial must have the same curve to the last bit: the same kind of CPU, threads and arithmetic."""
    release = torch.__version__.partition("+")[0]
    same = (trial["hardware"], trial["threads"]) == (expected["hardware"], expected["threads"])
    return same and release == EXPECTED["made_with"]["torch"]


def test_an_old_storage_is_refused_checked_upgraded_and_scored_still(old: str, tmp_path: Path) -> None:
    refused = search("list")
    assert refused.code == 1
    assert "`search storage upgrade`" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert version(old) == 3

    tables = fixture.describe_tables(old)
    checked = done("storage", "upgrade", "--check")
    assert checked.out.startswith(f"the storage would be upgraded from version 3 to {VERSION} (version 4: ")
    assert len(checked.out.splitlines()) == 1
    facts = done("storage", "upgrade", "--check", "--json").document
    assert without(facts, "steps") == {
        "version": 3,
        "newest": VERSION,
        "upgraded": False,
        "obstacle": None,
        "backup": None,
    }
    assert (fixture.describe_tables(old), version(old)) == (tables, 3)

    backup = tmp_path / "before.dump"
    upgraded = done("storage", "upgrade", "--file", backup)
    assert upgraded.out == (
        f"the storage was upgraded from version 3 to {VERSION}; a backup of it as it was is in {backup}\n"
    )
    assert backup.read_bytes().startswith(b"PGDMP")
    assert version(old) == VERSION
    again = done("storage", "upgrade")
    assert again.out == f"the storage has tables of version {VERSION}, the newest; there is nothing to upgrade\n"

    for study, key, pruner in ((HALF_DONE, "half_done_status", "rank"), (SCORED, "scored_status", "none")):
        assert without(done("status", "--study", study, "--json").document, "workers") == without(
            as_printed_now(EXPECTED[key], pruner), "workers"
        )
        assert {number: without(trial, "continued") for number, trial in trials(old, study).items()} == EXPECTED[
            "curves"
        ]["before" if study == HALF_DONE else study]
    assert done("final", "--study", SCORED, "--json").document == EXPECTED["final"]
    # Its policy is an older one, but it has nothing left to train.
    for words in (["run", "--json"], ["resume", "--json"], ["worker"]):
        assert "starting" not in done(*words, "--study", SCORED, "--workers", "1").err
    assert trials(old, SCORED).keys() == EXPECTED["curves"][SCORED].keys()


@pytest.mark.slow
@pytest.mark.long
def test_a_study_that_is_half_done_continues_to_its_exact_budget(old: str) -> None:
    done("storage", "upgrade")
    refused = search("run", "--study", HALF_DONE, "--workers", "1")
    assert refused.code == 2
    assert "has the search policy curves/1+rank/1" in refused.err
    assert "--fork NAME" in refused.err
    assert f"`search study upgrade --study {HALF_DONE}`" in refused.err
    upgraded = done("study", "upgrade", "--study", HALF_DONE)
    assert upgraded.out == f"study {HALF_DONE} has the search policy curves/1+rank/1, from trial 5 on {POLICY}\n"
    with one_core():
        ended = done("run", "--study", HALF_DONE, "--workers", "1", "--json", cold=True)
    found, expected, before = trials(old, HALF_DONE), EXPECTED["curves"][HALF_DONE], EXPECTED["curves"]["before"]
    states = ended.document["states"]
    assert (states["complete"] + states["pruned"], states["running"], states["fail"]) == (8, 0, 0)
    assert ended.document["budget"] == {"trials": 8, "left": 0, "epochs": None}
    assert found.keys() == expected.keys()
    assert f"search policy curves/1+rank/1, from trial 5 on {POLICY}\n" in done("status", "--study", HALF_DONE).out
    for number in before.keys() - {KILLED}:
        assert without(found[number], "continued") == before[number]
    resumed = found[KILLED]
    assert resumed["continued"] == ["epoch 2"]
    assert (resumed["params"], resumed["seed"]) == (before[KILLED]["params"], before[KILLED]["seed"])
    assert resumed["accuracies"][:2] == before[KILLED]["accuracies"]
    # How far it is trained is the policy's decision. The epochs on another kind of machine are nearly the same.
    shared = min(len(resumed["accuracies"]), len(expected[KILLED]["accuracies"]))
    assert shared > 2
    assert resumed["accuracies"][:shared] == pytest.approx(expected[KILLED]["accuracies"][:shared], abs=0.05)
    if is_same_machine(resumed, expected[KILLED]):
        assert resumed["accuracies"][:shared] == expected[KILLED]["accuracies"][:shared]


@pytest.fixture
def old_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose embedded server has a storage of version 3."""
    with EmbeddedServer(home) as address:
        fixture.load(address)
    return home


def stored_version(home: Path) -> object:
    with EmbeddedServer(home) as address:
        return version(address)


def test_an_embedded_storage_is_upgraded_by_itself_after_a_backup(old_home: Path, empty_database_url: str) -> None:
    listed = done("list", "--json")
    assert [study["study"] for study in listed.document] == [HALF_DONE, SCORED]
    [backup] = (old_home / "backups").iterdir()
    assert listed.err == (
        f"WARNING: the storage was upgraded from version 3 to {VERSION}; a backup of it as it was is in {backup}\n"
    )
    assert backup.name.startswith(f"before-version-{VERSION}-")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (backup.parent, backup)] == [0o700, 0o600]
    assert stored_version(old_home) == VERSION
    restore(empty_database_url, backup)
    assert version(empty_database_url) == 3
    assert done("list").err == ""
    assert list((old_home / "backups").iterdir()) == [backup]


def test_what_shows_or_saves_an_embedded_storage_does_not_upgrade_it(old_home: Path, tmp_path: Path) -> None:
    done("storage")
    done("storage", "backup", "--file", tmp_path / "dump")
    checked: Ended = done("storage", "upgrade", "--check")
    assert "after a backup" in checked.out
    assert stored_version(old_home) == 3
    assert not (old_home / "backups").exists()
    done("storage", "upgrade", "--file", tmp_path / "before.dump")
    assert stored_version(old_home) == VERSION
    assert not (old_home / "backups").exists()


def test_an_embedded_storage_that_an_older_program_uses_is_left_alone(old_home: Path) -> None:
    with EmbeddedServer(old_home) as address:
        execute(address, "UPDATE depthsearch.leases SET worker = 'a/b/1-1/c', expires_at = now() + interval '60 s'")
        refused = search("list")
        assert refused.code == 1
        assert "worker a/b/1-1/c trains study 'half-done' with an older program" in refused.err
        assert version(address) == 3
    assert not list((old_home / "backups").iterdir())


@pytest.mark.parametrize("action", ["show", "start", "backup"])
def test_other_actions_have_no_use_for_check(action: str) -> None:
    refused = search("storage", action, "--check", "--file", "x")
    assert refused.code == 2
    assert "has no use for --check; drop it" in refused.err
