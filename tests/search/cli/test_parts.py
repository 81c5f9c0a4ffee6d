"""Small parts: intervals, settings, names, who runs where, display."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution

from search import settings
from search.display import formats
from search.display.live import trial_table
from search.errors import SearchError, UsageError
from search.statistics.intervals import wilson_interval
from search.study.plan import StudyRequest, check_name
from search.study.trials import describe_trial
from search.workers import devices
from search.workers.job import WorkerJob
from search.workers.supervisor import plan_growth, plan_jobs


@pytest.mark.parametrize(
    ("correct", "examples", "interval"),
    [
        # Computed by hand from Wilson's formula with z = 1.959964.
        (8859, 10000, (0.8795198834620782, 0.8919837465954336)),
        (0, 10, (0.0, 0.27753279986288)),
        (10, 10, (0.7224672001371201, 1.0)),
        (1, 2, (0.0945312057, 0.9054687943)),
    ],
)
def test_wilson_interval(correct: int, examples: int, interval: tuple[float, float]) -> None:
    assert wilson_interval(correct, examples) == pytest.approx(interval, abs=1e-9)


@pytest.mark.parametrize(("correct", "examples"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_interval_states_its_rule(correct: int, examples: int) -> None:
    with pytest.raises(ValueError, match=f"correct={correct}, examples={examples}"):
        wilson_interval(correct, examples)


def test_flag_before_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.load().device == "all"
    (tmp_path / "search.toml").write_text('device = "cpu"\nworkers = 3\nlease_seconds = 5\n')
    assert (settings.load().device, settings.load().workers) == ("cpu", 3)
    monkeypatch.setenv("SEARCH_WORKERS", "4")
    monkeypatch.setenv("SEARCH_DATA", "/from/environment")
    assert (settings.load().workers, settings.load().lease_seconds) == (4, 5)
    chosen = settings.load(workers=5, data=Path("/from/flag"))
    assert (chosen.workers, chosen.data) == (5, Path("/from/flag"))


@pytest.mark.parametrize("name", sorted(set(settings.Settings.model_fields) - set(settings.HARMLESS)))
def test_a_file_of_the_working_folder_does_not_say_where_things_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, own = tmp_path / "search.toml", Path(os.environ["XDG_CONFIG_HOME"]) / "depthsearch" / "search.toml"
    file.write_text(f'{name} = "/else$(where)"\n')
    monkeypatch.delenv(f"SEARCH_{name.upper()}", raising=False)
    (tmp_path / "search.toml").write_text(f'{name.title()} = "/else$(where)"\n')
    with pytest.raises(UsageError, match=name.title()):
        settings.load()
    file.write_text(f'{name} = "/else$(where)"\n')
    with pytest.raises(UsageError) as refused:
        settings.load()
    for part in (str(file), repr(name), str(own), "search --config search.toml ..."):
        assert part in str(refused.value)
    monkeypatch.setenv("SEARCH_CONFIG", "search.toml")
    assert str(getattr(settings.load(), name)) == "/else$(where)"
    monkeypatch.delenv("SEARCH_CONFIG")
    own.parent.mkdir(parents=True)
    own.write_text(file.read_text())
    file.unlink()
    assert str(getattr(settings.load(), name)) == "/else$(where)"


def test_the_working_folders_file_before_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "depthsearch" / "search.toml"
    own.parent.mkdir(parents=True)
    own.write_text('workers = 2\ncheckpoints = "/mnt/kept"\n')
    (tmp_path / "search.toml").write_text("workers = 3\n")
    assert (settings.load().workers, settings.load().checkpoints) == (3, "/mnt/kept")
    monkeypatch.chdir(own.parent)
    assert (settings.load().workers, settings.load().checkpoints) == (2, "/mnt/kept")
    own.write_text("workers = 0\n")
    with pytest.raises(UsageError, match=f"or {own}"):
        settings.load()


def test_the_storage_is_found_in_both_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().storage is None
    monkeypatch.setenv("OPTUNA_STORAGE", "postgresql://optuna/d")
    assert settings.load().storage == "postgresql://optuna/d"
    monkeypatch.setenv("SEARCH_STORAGE", "postgresql://ours/d")
    assert settings.load().storage == "postgresql://ours/d"
    assert settings.load(storage="postgresql://flag/d").storage == "postgresql://flag/d"


@pytest.mark.parametrize("name", ["cifar-depth", "my study 3", "größe", "a.b", "x" * 200])
def test_good_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "..", "-x", "a\nb", "a'b", "x" * 201, "\x00"])
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_a_request_refuses_what_is_not_above_zero() -> None:
    with pytest.raises(UsageError, match=r"--train-examples must be above 0 .*, but got 0"):
        StudyRequest(study="s", train_examples=0)


def job() -> WorkerJob:
    return WorkerJob(
        storage="postgresql://x/d", study="s", objective=None, settings=settings.load(), device="?", threads=0
    )


@pytest.mark.parametrize(
    ("found", "workers", "cores", "expected"),
    [
        (["cuda:0", "cuda:1"], None, 16, [("cuda:0", 1), ("cuda:1", 1)]),
        (["cuda:0", "cuda:1"], 3, 16, [("cuda:0", 5), ("cuda:1", 5), ("cuda:0", 5)]),
        (["cpu"], None, 2, [("cpu", 1), ("cpu", 1)]),
        (["cpu"], None, 64, [("cpu", 8)] * 8),
        (["cpu"], 1, 2, [("cpu", 2)]),
        (["cpu"], 4, 2, [("cpu", 1)] * 4),
    ],
)
def test_one_worker_a_gpu_or_a_core(
    found: list[str], workers: int | None, cores: int, expected: list[tuple[str, int]]
) -> None:
    jobs = plan_jobs(job(), found, workers, cores)
    assert [(one.device, one.threads) for one in jobs] == expected


@pytest.mark.parametrize(
    ("found", "workers", "cores", "expected"),
    [
        (["cuda:0", "cuda:1", "cuda:2", "cuda:3"], None, 16, [(("cuda:0", "cuda:1"), 1), (("cuda:2", "cuda:3"), 1)]),
        (["cuda:0", "cuda:1", "cuda:2"], None, 16, [(("cuda:0", "cuda:1"), 1)]),
        (["cuda:0", "cuda:1"], 1, 16, [(("cuda:0", "cuda:1"), 8)]),
        (["cpu"], None, 8, [(("cpu", "cpu"), 1)] * 4),
        (["cpu"], None, 1, [(("cpu", "cpu"), 1)]),
        (["cpu"], 1, 8, [(("cpu", "cpu"), 4)]),
    ],
)
def test_one_worker_for_as_many_devices_as_a_trial_needs(
    found: list[str], workers: int | None, cores: int, expected: list[tuple[tuple[str, ...], int]]
) -> None:
    jobs = plan_jobs(job(), found, workers, cores, devices_per_trial=2)
    assert [(one.devices, one.threads) for one in jobs] == expected
    assert all(plan_growth([one], cores) is None for one in jobs)


def test_fewer_devices_than_a_trial_needs_are_refused() -> None:
    with pytest.raises(UsageError, match="trains on 4 devices, but there are only cuda:0, cuda:1; give it"):
        plan_jobs(job(), ["cuda:0", "cuda:1"], None, 16, devices_per_trial=4)


def test_a_worker_that_serves_every_study_has_one_gpu_but_any_number_of_cores() -> None:
    on_cpu = replace(job(), device="cpu", threads=4).with_devices(3)
    assert (on_cpu.devices, on_cpu.threads) == (("cpu",) * 3, 1)
    on_gpu = replace(job(), device="cuda:0")
    assert on_gpu.with_devices(1) is on_gpu
    with pytest.raises(SearchError, match=r"trains on 2 devices, but this worker has cuda:0; .*worker --study s"):
        on_gpu.with_devices(2)


def test_without_a_driver_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "NODES", ("/nowhere",))
    assert devices.list_devices("all") == ["cpu"]
    with pytest.raises(UsageError, match="no device 'cuda' here"):
        devices.list_devices("cuda")


def test_with_a_driver_torch_answers_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(devices, "NODES", ("/proc/self/stat",))
    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]
    assert devices.list_devices("all") == there
    with pytest.raises(UsageError, match="no device 'cuda:99'"):
        devices.list_devices("cuda:99")


def test_a_finished_trial_in_one_line() -> None:
    trial = optuna.trial.create_trial(
        params={"x": 0.12345},
        distributions={"x": FloatDistribution(0, 1)},
        intermediate_values={0: 0.5, 1: 0.75, 2: 0.7},
        user_attrs={"reason": "diverged"},
        state=optuna.trial.TrialState.PRUNED,
    )
    assert formats.format_trial(describe_trial(trial)) == "trial  -1  0.7500  3 epochs, pruned: diverged  x=0.123"


def test_bars_and_durations() -> None:
    assert trial_table.format_bar(3, 6, width=4) == "━━╌╌"
    assert trial_table.format_bar(9, 6, width=4) == "━━━━"
    assert [formats.format_duration(seconds) for seconds in (5, 89, 120, 3600, 7200)] == [
        "5 s",
        "89 s",
        "2 min",
        "60 min",
        "2.0 h",
    ]
