"""The job array that `search deploy slurm` prints, on a real Slurm that takes its machines away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage import url
from tests.conftest import open_folder
from tests.faults import slurm
from tests.faults.member import Machine
from tests.faults.needs import need
from tests.faults.pool import STUDY, Size, Team, pool
from tests.search import system_postgres
from tests.search.command import done, until

SIZE = Size(trials=8, epochs=40, width=64, depth=3)
TASKS = ("0", "1", "2", "3")

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.slow]


def test_an_array_of_four_whose_jobs_are_preempted_ends_with_an_exact_study(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(reason="needs root, slurm-wlm and munge", there=slurm.is_installed())
    everyones = tuple(range(len(os.sched_getaffinity(0))))
    with pool(database_url, tmp_path, SIZE) as calm:
        calm.worker(1, Machine(cores=everyones))  # the threads of a job: it has every core, as without cgroups
        calm.end_well()
        reference = calm.check({})
    with open_folder() as folder:
        programs = system_postgres.installed() or system_postgres.bundled(folder)
        with (
            system_postgres.running(programs, folder) as postgres,
            slurm.running(make(folder / "slurm"), job_environment()) as cluster,
        ):
            monkeypatch.setenv("PGPASSFILE", str(postgres.password_file))
            script = print_script(postgres, folder)
            address = postgres.url.replace("postgresql:", f"{url.DRIVER}:")
            with pool(address, make(folder / "team"), SIZE, open_ended=True) as team:
                job = cluster.submit(script, cwd=folder)
                end_early(cluster, job, team)
                team.check(reference)
                resumed = team.rows("SELECT value_json FROM trial_user_attributes WHERE key = 'continued'")
            ended = cluster.run("scontrol", "show", "job", job)
        texts = [script.read_text(), *(path.read_text() for path in folder.glob(f"search-*-{job}_*.log"))]
        password = postgres.password_file.read_text().strip().rpartition(":")[2]
    assert sorted(re.findall(r"JobState=(\w+)", ended)) == ["CANCELLED", "COMPLETED", "COMPLETED", "COMPLETED"]
    assert re.findall(r"Restarts=(\d)", ended) == ["1"] * 4
    assert len(resumed) >= 2  # a job that was between two trials had none to give back
    assert all(re.fullmatch(r'\["epoch \d+"(, "epoch \d+")*\]', value) for (value,) in resumed)
    assert len(texts) == 1 + 4
    assert not any(password in text for text in texts)


def end_early(cluster: slurm.Slurm, job: str, team: Team) -> None:
    """Preempt every task in the middle of a trial, then cancel one, and let the others end the study."""
    team.wait_until_in_the_middle(count=4)
    preempt(cluster, job)
    cluster.start_now(job, *TASKS)
    cluster.wait_until(job, "RUNNING", *TASKS)
    team.wait_until_in_the_middle(count=4)
    cluster.run("scancel", f"{job}_3")
    until(lambda: "3" not in cluster.list_states(job), "the end of the cancelled task")
    team.settle()
    until(lambda: cluster.list_states(job) == {}, "the array's end", seconds=240)


def preempt(cluster: slurm.Slurm, job: str) -> None:
    """End every task before its time: one by each signal, then the last two by a job that goes first."""
    for task, number in (("0", "TERM"), ("1", "USR1")):
        cluster.run("scancel", f"--signal={number}", f"{job}_{task}")
        cluster.wait_until(job, "PENDING", task)
    cluster.submit("--partition=urgent", "--exclusive", "--wrap=true")
    cluster.wait_until(job, "PENDING", *TASKS)


def print_script(postgres: system_postgres.SystemPostgres, folder: Path) -> Path:
    """Print the file of an array of four, as a user does."""
    script = folder / "workers.sh"
    place = ("--storage", postgres.url, "--password-file", postgres.password_file)
    jobs = ("--workers", "4", "--gpus", "0", "--partition", "spare", "--time", "30")
    done("deploy", "slurm", "--study", STUDY, *jobs, *place, "--checkpoints", folder / "checkpoints", "-o", script)
    subprocess.run(["bash", "-n", script], check=True)
    return script


def job_environment() -> dict[str, str]:
    """Return a user's environment in which this program is installed, and without the password."""
    kept = {name: value for name, value in os.environ.items() if name != "PGPASSFILE"}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder
