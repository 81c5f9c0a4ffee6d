"""`search run --engine ray` on a real cluster of two nodes, whose workers and machines die."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

from tests.conftest import open_folder
from tests.faults import ray_cluster
from tests.faults.member import Machine, Member
from tests.faults.needs import need
from tests.faults.pool import STUDY, Size, Team, pool
from tests.faults.ray_cluster import RayCluster, RayNode
from tests.search.command import Ended, finished, search, until

SIZE = Size(trials=4, epochs=40, width=64, depth=3)

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.slow]


@pytest.fixture
def folder() -> Iterator[Path]:
    need(reason="needs Ray", there=importlib.util.find_spec("ray") is not None)
    with open_folder() as folder:
        yield folder


def test_a_study_outlasts_the_deaths_of_a_machine_a_worker_and_an_actor_and_a_signal(
    database_url: str, folder: Path, tmp_path: Path
) -> None:
    password, plain = take_password(database_url, folder / "pgpass")
    guard = ray_cluster.make_guard()
    with (
        ray_cluster.running(folder / "ray", {**guard, "PGPASSFILE": str(folder / "pgpass")}) as cluster,
        pool(database_url, tmp_path, SIZE, open_ended=True) as team,
    ):
        cluster.start(2, 2)
        storage = plain.replace("search@", f"search:{password}@")
        kept = {"SEARCH_CHECKPOINTS": str(tmp_path / "checkpoints"), "SEARCH_CHECKPOINT_SHARE": "1"}
        command = join(team, cluster, {**kept, "SEARCH_STORAGE": storage, "SEARCH_LEASE_SECONDS": "3"})
        wait_for_two(team)
        [worker] = find_workers(cluster.nodes[1])
        cluster.nodes.pop().kill()
        wait_for_two(team, worker.pid)  # the other machine has room for both
        worker = find_workers(cluster.nodes[0])[0]
        worker.kill()
        wait_for_two(team, worker.pid)
        worker = find_workers(cluster.nodes[0])[0]
        find_actor(worker).kill()
        wait_for_two(team, worker.pid)
        command.process.send_signal(signal.SIGINT)
        assert command.process.wait(60) == 130
        assert count_busy(team) == 0
        assert find_workers(cluster.nodes[0]) == []
        known = [command.said, cluster.read_logs(), read_jobs(cluster)]
        team.members.clear()
        team.worker(2)
        team.end_well()
        team.check({})
        resumed = team.rows("SELECT value_json FROM trial_user_attributes WHERE key = 'continued'")
    assert "a worker died (code -9 on " in command.said
    assert command.said.count("its actor was lost on ") == 2
    assert "--workers 2 --device cpu --engine ray" in command.said
    assert sum(len(json.loads(value)) for (value,) in resumed) >= 5
    assert STUDY in known[0]
    assert not any(password in text for text in known)


def test_a_cluster_that_insists_on_its_token_trains_a_study_and_others_are_refused(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    with ray_cluster.running(folder, ray_cluster.OPEN) as cluster:
        cluster.start(1)
        unguarded = ask(cluster, ray_cluster.make_guard())
    with ray_cluster.running(folder, ray_cluster.make_guard()) as cluster:
        cluster.start(1)
        stranger = ask(cluster, ray_cluster.make_guard())
        nobody = ask(cluster, {"HOME": str(folder), "RAY_AUTH_TOKEN": ""})
        trained = ask(cluster, {}, "--trials", "2", "--epochs", "2", "--experience", "none", "--json")
    assert (unguarded.code, stranger.code, nobody.code, trained.code) == (1, 1, 1, 0)
    assert "obeys everybody who reaches it; start it with RAY_AUTH_MODE=token" in unguarded.err
    assert "refuses this machine's token" in stranger.err
    assert "refuses this machine's token, or there is none" in nobody.err
    assert all(len(one.err.splitlines()) == 1 for one in (unguarded, stranger, nobody)), (unguarded, stranger, nobody)
    # The second worker waits for a place that the first one has; nothing is left for it at the end.
    assert (finished(trained.document), trained.document["workers"]) == (2, [])


def ask(cluster: RayCluster, guard: Mapping[str, str], *more: str) -> Ended:
    """Run a study on the cluster, by two workers."""
    return search(*make_words(cluster), *more, env={**cluster.environment, **guard})


def join(team: Team, cluster: RayCluster, environment: Mapping[str, str]) -> Member:
    """Start `search run` on the cluster, as a member of the team."""
    log = cluster.folder.parent / "command.log"
    with log.open("wb") as output:
        process = Machine().start(make_words(cluster), {**os.environ, **cluster.environment, **environment}, output)
    team.members.append(Member(process, log))
    return team.members[-1]


def make_words(cluster: RayCluster) -> list[str]:
    words = ["--engine", "ray", "--address", cluster.address, "--workers", "2", "--device", "cpu"]
    return ["run", "--study", STUDY, *words]


def wait_for_two(team: Team, *dead: int) -> None:
    """Wait until two workers are in the middle of a trial each, none of which had one of these process ids."""
    until(lambda: team.all_run() and count_busy(team, dead) == 2, "two workers in the middle of a trial")


def count_busy(team: Team, dead: Sequence[int] = ()) -> int:
    """Return how many workers hold a trial between its first and last epoch, without those of these process ids."""
    middle = {trial for trial, _ in team.in_the_middle()}
    rows = team.rows("SELECT trial_id, worker FROM depthsearch.leases WHERE expires_at > now()")
    pids = {int(row.worker.split("/")[2].partition("-")[0]) for row in rows if row.trial_id in middle}
    return len(pids - set(dead))


def find_workers(node: RayNode) -> list[psutil.Process]:
    """Return the workers on a node: what an actor's fork server has started."""
    actors = [one for one in psutil.Process(node.process.pid).children(recursive=True) if is_actor(one)]
    return [worker for actor in actors for server in actor.children() for worker in server.children()]


def find_actor(worker: psutil.Process) -> psutil.Process:
    """Return the process of a worker's actor."""
    [actor] = [one for one in worker.parents() if is_actor(one)]
    return actor


def is_actor(process: psutil.Process) -> bool:
    """Return whether it is the process of an actor, by the title that Ray gives it."""
    return any("ray::RayWorker" in word for word in process.cmdline())


def take_password(address: str, file: Path) -> tuple[str, str]:
    """Return the storage's password and a URL without it; write a password file for others."""
    location = make_url(address)
    kept = Path(str(location.query["passfile"])).read_text()
    file.write_text(kept)
    file.chmod(0o600)
    [password] = {line.rpartition(":")[2] for line in kept.splitlines() if f":{location.username}:" in line}
    plain = location.set(query={name: value for name, value in location.query.items() if name != "passfile"})
    return password, plain.render_as_string(hide_password=False)


def read_jobs(cluster: RayCluster) -> str:
    """Return all that the cluster says about the commands that have used it."""
    program = "import sys; from ray._raylet import GcsClient; print(GcsClient(sys.argv[1]).get_all_job_info())"
    asked = subprocess.run(
        [sys.executable, "-c", program, cluster.address],
        env={**os.environ, **cluster.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout
