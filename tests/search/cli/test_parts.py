"""Small parts: intervals, settings, names, who runs where, display."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution

from search import settings
from search.display import formats
from search.display.live import trial_table
from search.errors import UsageError
from search.statistics.intervals import wilson_interval
from search.study.plan import StudyRequest, check_name
from search.study.trials import describe_trial


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


def test_workers_are_counted_in_all_or_on_each_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search.toml").write_text("workers_per_device = 3\n")
    assert (settings.load().workers, settings.load().workers_per_device) == (None, 3)
    monkeypatch.setenv("SEARCH_WORKERS_PER_DEVICE", "4")
    assert settings.load().workers_per_device == 4
    assert settings.change(settings.load(workers_per_device=5), workers_per_device=6).workers_per_device == 6
    refused = "--workers 2 and --workers-per-device 4 exclude each other; leave one out, or unset SEARCH_WORKERS"
    with pytest.raises(UsageError, match=refused):
        settings.load(workers=2)
    with pytest.raises(UsageError, match=refused):
        settings.change(settings.load(), workers=2)


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
