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


@pytest.fixture(scope="module")
def cluster(server: str) -> Iterator[RayCluster]:
    """A cluster of two machines with a token, on which workers find the password of the storage."""
    need_ray()
    with open_folder() as folder:
        password_file = folder / "pgpass"
        password_file.write_text(find_password_file(server).read_text())
        password_file.chmod(0o600)
        guard = ray_cluster.make_guard()
        with ray_cluster.running(folder / "ray", {**guard, "PGPASSFILE": str(password_file)}) as cluster:
            cluster.start(2, 2)
            yield cluster


def need_ray() -> None:
    """Skip a test where Ray is not installed."""
    need(reason="needs Ray", there=importlib.util.find_spec("ray") is not None)


def test_a_cluster_that_obeys_everybody_is_refused(database_url: str) -> None:
    need_ray()
    with open_folder() as folder, ray_cluster.running(folder, ray_cluster.OPEN) as unguarded:
        unguarded.start(1)
        refused = ask(unguarded, database_url, ray_cluster.make_guard())
    assert refused.code == 1
    assert "obeys everybody who reaches it; start it with RAY_AUTH_MODE=token" in refused.err
    assert len(refused.err.splitlines()) == 1, refused.err


def test_a_study_is_trained_for_those_who_have_the_token(
    cluster: RayCluster, database_url: str, tmp_path: Path
) -> None:
    stranger = ask(cluster, database_url, ray_cluster.make_guard())
    nobody = ask(cluster, database_url, {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": ""})
    plan = ("--trials", "3", "--epochs", "2", "--experience", "none", "--json")
    # Two workers have a place, the others wait for one until nothing is left for them.
    trained = ask(cluster, database_url, {}, *plan, "--cpus-per-worker", "2", "--workers", "4")
    assert (stranger.code, nobody.code, trained.code) == (1, 1, 0), trained.err
    assert all("refuses this machine's token, or there is none" in one.err for one in (stranger, nobody))
    assert all(len(one.err.splitlines()) == 1 for one in (stranger, nobody)), (stranger, nobody)
    assert (finished(trained.document), trained.document["workers"]) == (3, [])


def test_a_study_outlasts_the_deaths_of_a_machine_a_worker_and_an_actor_and_a_signal(
    cluster: RayCluster, database_url: str, tmp_path: Path
) -> None:
    password, storage = reveal_password(database_url)
    with pool(database_url, tmp_path, SIZE, open_ended=True) as team:
        kept = {"SEARCH_CHECKPOINTS": str(tmp_path / "checkpoints"), "SEARCH_CHECKPOINT_SHARE": "1"}
        environment = {**os.environ, **cluster.environment, **kept, "SEARCH_STORAGE": storage}
        command = join(team, cluster, {**environment, "SEARCH_LEASE_SECONDS": "3"}, tmp_path / "command.log")
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
    assert not any(password in text for text in known)


def ask(cluster: RayCluster, storage: str, guard: Mapping[str, str], *more: str) -> Ended:
    """Run a study on the cluster."""
    return search(*make_words(cluster), *more, env={**cluster.environment, **guard, "SEARCH_STORAGE": storage})


def join(team: Team, cluster: RayCluster, environment: Mapping[str, str], log: Path) -> Member:
    """Start `search run` on the cluster, as a member of the team."""
    with log.open("wb") as output:
        team.members.append(Member(Machine().start(make_words(cluster), environment, output), log))
    return team.members[-1]


def make_words(cluster: RayCluster) -> list[str]:
    """Return the words of a command with two workers on the cluster."""
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


def find_password_file(address: str) -> Path:
    """Return the password file that a storage's URL names."""
    return Path(str(make_url(address).query["passfile"]))


def reveal_password(address: str) -> tuple[str, str]:
    """Return a storage's password, and its URL with it in place of the password file."""
    location = make_url(address)
    lines = [line.split(":") for line in find_password_file(address).read_text().splitlines()]
    [password] = {line[4] for line in lines if line[3] == location.username}
    query = {name: value for name, value in location.query.items() if name != "passfile"}
    return password, location.set(query=query, password=password).render_as_string(hide_password=False)


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
