"""What a supervisor does with workers that die, on two places of which one may be bad. Its workers are real.

What asks for devices is here, too: one server that has imported torch does for all of them.
"""

from __future__ import annotations

import json
import signal
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from search import settings
from search.errors import SearchError, UsageError
from search.settings import load
from search.signals import end_block_on_first
from search.study import create
from search.study.plan import StudyRequest
from search.study.serving import Served
from search.study.status import StudyView
from search.workers.engines.local import LocalEngine
from search.workers.fleet.fleet import Fleet
from search.workers.job import WorkerJob
from search.workers.machine import devices
from search.workers.machine.accelerators import Device
from search.workers.machine.placement import WorkerCount, place_workers
from search.workers.machine.restarts import Patience
from search.workers.supervisor import Supervisor, WorkerPool, plan_growth, plan_jobs
from storage.database import Database
from storage.records import studies
from storage.records.epochs import count_epochs
from tests.search.workers.machine.eight_gpus import EightGpus, gpu_uuid

pytestmark = pytest.mark.slow

DEATHS = 3
QUICK = Patience(seconds=0.5, deaths=DEATHS)
# Told by its environment, it kills its worker, as a broken GPU's driver or the kernel may; it notes when.
OWN = """
    import json, os, signal, time

    import torch
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Space

    seen = {"visible": os.environ.get("CUDA_VISIBLE_DEVICES"), "started": torch.cuda.is_initialized()}
    with open(os.path.join("NOTES", f"{os.getpid()}.json"), "w") as file:
        json.dump(seen, file)


    TRAINED = []


    def train(config, data, report):
        with open(os.path.join("NOTES", "trainings"), "a") as file:
            file.write(f"{os.environ.get('BROKEN')} {time.time()}\\n")
        if os.environ.get("BROKEN") == "yes" or (os.environ.get("BROKEN") == "later" and TRAINED):
            os.kill(os.getpid(), signal.SIGKILL)
        TRAINED.append(config)
        for epoch in range(2):
            time.sleep(0.1)
            report(epoch, {"accuracy": config.x})
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


    OBJECTIVE = Objective(data="digits", train=train, epochs=2, trials=30, space=Space(x=Float(0, 1)))
"""


def make_pool(database: Database, address: str, folder: Path, trials: int, **broken: str) -> WorkerPool:
    """Return a pool with a worker on each place; by the place's name, whether it is broken."""
    path = folder / "dying.py"
    path.write_text(textwrap.dedent(OWN).replace("NOTES", str(folder)))
    request = StudyRequest(study="s", objective=str(path), trials=trials, experience="none", sampler="random")
    record, _ = create.create_or_continue(database, request, load())
    job = WorkerJob(
        storage=address, study="s", objective=str(path), settings=load(workers=len(broken)), device="", threads=1
    )
    jobs = [
        WorkerJob(**{**vars(job), "device": place.replace("_", ":"), "environment": {"BROKEN": word}})
        for place, word in broken.items()
    ]
    return WorkerPool(database=database, study_id=record.study_id, jobs=jobs, is_over=lambda: False)


def read_deaths(folder: Path) -> list[float]:
    """Return when trainings killed their workers."""
    path = folder / "trainings"
    lines = path.read_text().splitlines() if path.exists() else []
    return [float(moment) for broken, moment in map(str.split, lines) if broken == "yes"]


def test_a_device_whose_workers_keep_dying_is_given_up_and_the_others_finish_the_study(
    database: Database, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(database, database_url, tmp_path, 500, cpu="no", cpu_0="yes")
    begun = time.monotonic()

    def stop_later() -> None:
        """Stop the study once both have happened."""
        assert time.monotonic() - begun < 120
        if len(told()) == 1 and count_epochs(database.engine, pool.study_id) > before[-1] + 1:
            studies.set_control(database.engine, pool.study_id, "stop")
        if len(told()) == 0:
            before.append(count_epochs(database.engine, pool.study_id))

    def told() -> list[str]:
        return [line for line in caplog.messages if "given up" in line]

    before = [0]
    Supervisor(pool, LocalEngine(), QUICK).run(stop_later)
    deaths = read_deaths(tmp_path)
    assert len(deaths) == DEATHS
    assert deaths[2] - deaths[1] > 0.5
    assert told()[0].startswith(
        "cpu:0 is given up, and the others go on: there, 3 workers died one after another without"
    )
    assert "(the last: code -9)" in told()[0]


@pytest.mark.long
def test_where_workers_die_on_every_device_the_run_ends_with_the_reason(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    pool = make_pool(database, database_url, tmp_path, 8, cpu="yes", cpu_0="yes")
    with pytest.raises(SearchError, match=r"^3 workers died one after another .* code -9\); .* try fewer --workers"):
        Supervisor(pool, LocalEngine(), QUICK).run(lambda: None)
    assert len(read_deaths(tmp_path)) in (2 * DEATHS - 1, 2 * DEATHS)


@pytest.mark.long
def test_a_device_on_which_each_worker_trains_before_it_dies_is_not_given_up(
    database: Database, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(database, database_url, tmp_path, 2 * DEATHS, cpu="later")
    Supervisor(pool, LocalEngine(), Patience(seconds=3600, deaths=DEATHS)).run(lambda: None)
    assert StudyView(database, "s").status().budget.left == 0
    assert len([line for line in caplog.messages if "a worker died" in line]) >= DEATHS + 1


@pytest.mark.long
def test_a_service_leaves_a_study_out_on_the_device_on_which_its_workers_die(
    database: Database, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(database, database_url, tmp_path, 60, cpu="no", cpu_0="yes")
    served = Served(allowed=(str(tmp_path / "dying.py"),))
    Fleet(database, pool.jobs, served, once=True, tell=lambda _: None, patience=Patience(seconds=0.1, deaths=2)).run()
    assert StudyView(database, "s").status().budget.left == 0
    assert len(read_deaths(tmp_path)) >= 2
    told = [line for line in caplog.messages if "left out" in line]
    assert told[0] == (
        "study 's' is left out on cpu:0, and tried again from time to time: 2 workers died one after another "
        "(the last with code -9)"
    )
    assert all(" on cpu:0, " in line for line in told)


def test_a_signal_ends_a_run_at_once_whose_workers_wait(database: Database, database_url: str, tmp_path: Path) -> None:
    pool = make_pool(database, database_url, tmp_path, 8, cpu="yes")
    supervisor = Supervisor(pool, LocalEngine(), Patience(seconds=3600))
    process, told = psutil.Process(), []

    def drain() -> None:
        if (
            not told
            and (tmp_path / "trainings").exists()
            and len(read_deaths(tmp_path)) == 2
            and not supervisor._running
        ):
            told.append(time.monotonic())
            process.send_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended, end_block_on_first():
        supervisor.run(drain)
    assert (ended.value.code, len(told)) == (143, 1)
    assert time.monotonic() - told[0] < 20


def test_workers_see_their_own_gpus_alone_before_cuda_starts(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    pool = make_pool(database, database_url, tmp_path, 8, cpu="no")
    placement = place_workers(EightGpus().list_devices(), WorkerCount(workers=2), devices_per_trial=2, cores=8)
    jobs = plan_jobs(pool.jobs[0], placement.places)
    for job in jobs:
        with pytest.raises(SearchError):  # whose first GPU is not here
            Supervisor(replace(pool, jobs=[job]), LocalEngine(), QUICK).run(lambda: None)
    seen = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    pairs = [f"{gpu_uuid(index)},{gpu_uuid(index + 1)}" for index in (0, 2)]
    assert sorted(one["visible"] for one in seen if one["visible"] is not None) == pairs
    assert not any(one["started"] for one in seen)


def test_without_a_driver_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "NODES", ("/nowhere",))
    assert devices.list_devices("all") == [Device(name="cpu")]
    with pytest.raises(UsageError, match="no device 'cuda' here"):
        devices.list_devices("cuda")


def test_with_a_driver_torch_answers_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(devices, "NODES", ("/proc/self/stat",))
    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]
    assert [device.name for device in devices.list_devices("all")] == there
    with pytest.raises(UsageError, match="no device 'cuda:99'"):
        devices.list_devices("cuda:99")


def test_the_driver_is_asked_unless_torch_cannot_use_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    machine = EightGpus(divided={3})
    assert devices.list_gpus_here("3,1", machine) == machine.list_devices("3,1")
    assert len(devices.list_gpus_here(None, machine)) == 9
    monkeypatch.setattr(torch.version, "cuda", None)
    assert len(devices.list_gpus_here(None, machine)) == torch.cuda.device_count()


def make_job(**values: object) -> WorkerJob:
    """Return a job that is not run."""
    given = {"settings": settings.load(), "device": "?", "threads": 0, **values}
    return WorkerJob(storage="postgresql://x/d", study="s", objective=None, **given)  # type: ignore[arg-type]


def test_a_job_knows_its_devices_by_the_machines_names_and_by_its_own() -> None:
    placement = place_workers(EightGpus().list_devices("5,6,7,1"), WorkerCount(), devices_per_trial=2, cores=8)
    first, second = plan_jobs(make_job(), placement.places)
    assert (first.device, first.peers, second.device, second.peers) == ("cuda:0", ("cuda:1",), "cuda:2", ("cuda:3",))
    assert second.visible == (gpu_uuid(7), gpu_uuid(1))
    assert (second.place, second.local_devices) == ("cuda:2, cuda:3", ("cuda:0", "cuda:1"))
    unmasked = make_job(device="cuda:1")
    assert (unmasked.place, unmasked.local_devices) == ("cuda:1", ("cuda:1",))


def test_a_worker_that_serves_every_study_has_one_gpu_but_any_number_of_cores() -> None:
    on_cpu = make_job(device="cpu", threads=4).with_devices(3)
    assert (on_cpu.devices, on_cpu.threads) == (("cpu",) * 3, 1)
    on_gpu = make_job(device="cuda:0")
    assert on_gpu.with_devices(1) is on_gpu
    with pytest.raises(SearchError, match=r"trains on 2 devices, but this worker has cuda:0; .*worker --study s"):
        on_gpu.with_devices(2)


def test_the_number_of_workers_grows_on_gpus_where_none_was_given() -> None:
    growth = plan_growth([make_job(device=f"cuda:{index}") for index in range(4)], 18)
    assert growth is not None
    assert (growth.limit, growth.workers, growth.devices) == (4, 1, 4)
    assert plan_growth([make_job(device="cpu")], 18) is None
    assert plan_growth([make_job(device="cuda:0", peers=("cuda:1",))], 18) is None
    for given in (settings.load(workers=1), settings.load(workers_per_device=1)):
        assert plan_growth([make_job(device="cuda:0", settings=given)], 18) is None
