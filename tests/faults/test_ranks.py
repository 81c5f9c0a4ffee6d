"""Trials on two ranks: a rank killed, the worker killed, all of them killed, ended by a signal, short of memory."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from storage import url
from tests.faults.pool import on_linux
from tests.search.cli.test_own_objectives import write
from tests.search.command import Process, done, kill_group, start, until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.long, on_linux]

EPOCHS = 8
STUDY = """
    from objectives import Objective
    from spaces import Fixed, Float, Space

    OBJECTIVE = Objective(
        data="digits", model="mlp", devices=2, epochs=8, trials=2,
        space=Space(
            depth=Fixed(3), width=Fixed(256), batch_size=Fixed(16), dropout=Fixed(0.2),
            normalization=Fixed("batch_norm"), learning_rate=Float(1e-4, 1e-3, log=True),
        ),
    )
"""
SHORT_OF_MEMORY = """
    import resource

    import torch
    import torch.distributed as dist
    from torch import nn

    from objectives import Objective
    from spaces import Fixed, Space


    class Network(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.layer = nn.Linear(64, config.classes)

        def forward(self, x):
            if self.training and dist.get_rank() == 1:
                size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, resource.RLIM_INFINITY))
                kept = [torch.ones(2**22) for _ in range(1000)]
            return self.layer(x.flatten(1))


    OBJECTIVE = Objective(
        data="digits", build_model=Network, devices=2, epochs=2, trials=1, space=Space(learning_rate=Fixed(0.01))
    )
"""


class Study:
    """A study in a database, and the commands that train it."""

    def __init__(self, address: str, path: Path, folder: Path) -> None:
        self.address, self.path, self.folder = address, path, folder
        self._engine = create_engine(url.parse(address), poolclass=NullPool)
        self.commands: list[Process] = []

    def run(self) -> Process:
        """Create or continue it with one worker."""
        environment = {
            "SEARCH_STORAGE": self.address,
            "SEARCH_LEASE_SECONDS": "3",
            "SEARCH_CHECKPOINT_SHARE": "1",
            "SEARCH_CHECKPOINTS": str(self.folder / "checkpoints"),
        }
        flags = ("--sampler", "random", "--pruner", "none", "--experience", "none", "--workers", "1")
        self.commands.append(start("run", "--objective", self.path, *flags, env=environment))
        return self.commands[-1]

    def rows(self, statement: str) -> list[Any]:
        with self._engine.begin() as connection:
            return list(connection.execute(text(statement)).all())

    def epochs(self) -> int:
        """Return how many epochs are stored, of all trials; 0 before there is a study."""
        with suppress(Exception):
            return int(self.rows("SELECT count(*) FROM depthsearch.epochs")[0][0])
        return 0

    def curves(self) -> list[Any]:
        """Return every trial's state, every epoch with all its metrics but its seconds, and confusion matrices."""
        trials = self.rows("SELECT number, state FROM trials ORDER BY number")
        epochs = self.rows(
            "SELECT number, epoch, metrics FROM depthsearch.epochs JOIN trials USING (trial_id) ORDER BY number, epoch"
        )
        matrices = self.rows("SELECT number, epoch, counts FROM depthsearch.confusions JOIN trials USING (trial_id)")
        measured = [(row.number, row.epoch, {**row.metrics, "seconds": 0}) for row in epochs]
        return [*map(tuple, trials), *measured, *sorted(map(tuple, matrices))]

    def attributes(self, name: str) -> list[Any]:
        """Return an attribute of the trials that have it."""
        rows = self.rows(f"SELECT value_json FROM trial_user_attributes WHERE key = '{name}' ORDER BY trial_id")
        return [json.loads(row.value_json) for row in rows]

    def worker(self) -> psutil.Process:
        """Return the worker that holds a trial."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [row.worker for row in self.rows("SELECT worker FROM depthsearch.leases")]
            return bool(found)

        until(look, "a worker with a trial")
        return psutil.Process(int(found[0].split("/")[2].partition("-")[0]))

    def wait_for_epochs(self, more: int) -> None:
        wanted = self.epochs() + more
        until(lambda: self.epochs() >= wanted, f"{wanted} epochs")

    def ranks(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """Return the worker and its ranks, once both of these train."""
        found: list[psutil.Process] = []
        worker = self.worker()

        def look() -> bool:
            found[:] = [rank for server in worker.children() for rank in server.children()]
            return len(found) == 2

        until(look, "two ranks")
        return worker, found

    def close(self) -> None:
        for command in self.commands:
            if command.poll() is None:
                kill_group(command)
                command.communicate()


@pytest.fixture
def study(database_url: str, tmp_path: Path) -> Iterator[Study]:
    made = Study(database_url, write(tmp_path, "both.py", STUDY), tmp_path)
    yield made
    made.close()


def is_gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_whatever_dies_the_curves_are_the_same(study: Study, empty_database_url: str, tmp_path: Path) -> None:
    """Each rank in turn, the worker alone, all at once, and a signal: nothing is lost, and no number changes."""
    calm = Study(empty_database_url, study.path, tmp_path / "calm")
    _, err = calm.run().communicate(timeout=200)
    assert calm.commands[0].returncode == 0, err

    command = study.run()
    for victim in (1, 0):
        study.wait_for_epochs(2)
        worker, ranks = study.ranks()
        ranks[victim].kill()
        until(lambda seen=(worker, *ranks): all(map(is_gone, seen)), "the worker and its ranks to end", seconds=30)
    study.wait_for_epochs(2)
    worker, ranks = study.ranks()
    worker.kill()
    until(lambda: all(map(is_gone, ranks)), "the ranks of a dead worker to end", seconds=30)
    study.wait_for_epochs(1)
    kill_group(command)  # the node
    command.communicate()

    command = study.run()
    study.wait_for_epochs(1)
    worker, ranks = study.ranks()
    command.send_signal(signal.SIGTERM)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 143, err
    assert all(map(is_gone, (worker, *ranks)))

    command = study.run()
    _, err = command.communicate(timeout=200)
    assert command.returncode == 0, err
    assert study.curves() == calm.curves()
    assert study.rows("SELECT count(*) FROM depthsearch.confusions") == [(2,)]
    assert any(place != "epoch 0" for places in study.attributes("continued") for place in places)


def test_too_little_memory_for_one_rank_costs_a_slot(database_url: str, tmp_path: Path) -> None:
    study = Study(database_url, write(tmp_path, "short.py", SHORT_OF_MEMORY), tmp_path)
    command = study.run()
    _, err = command.communicate(timeout=200)
    assert command.returncode in (0, 3), err  # no trial is complete
    assert [row.state for row in study.rows("SELECT state FROM trials")] == ["PRUNED"]
    assert study.attributes("reason") == ["out of memory"]
    assert "allocate memory" in study.attributes("error")[0]
    assert (
        done("status", "--study", "short", "--json", env={"SEARCH_STORAGE": database_url}).document["budget"]["left"]
        == 0
    )
