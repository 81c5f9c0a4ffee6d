"""The comparison of policies: its simulation by hand, and each of its commands on something tiny."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.pruners import NopPruner, ThresholdPruner
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from search.errors import UsageError
from search.strategies.policy import default_policy
from search.strategies.registry import PRUNERS, SAMPLERS, StrategySetting
from spaces import Float, Int, Space
from tests.benchmarks import curves, policy, scores, suggesting, tabulate
from tests.benchmarks.curves import Curve, Task
from tests.benchmarks.families import FAMILIES
from tests.benchmarks.replay import Simulation, replay


def task(*rows: Sequence[float], seconds: Sequence[float] = (1.0, 1.0, 1.0)) -> Task:
    """A task of one parameter, `x`, the number of the row."""
    found = {
        curves.key({"x": number}): Curve(accuracies=row, seconds=seconds[number]) for number, row in enumerate(rows)
    }
    return Task(name="rows", space=Space(x=Int(0, len(rows) - 1)), epochs=len(rows[0]), curves=found)


def command(*arguments: str) -> str:
    """What the command prints."""
    line = [sys.executable, "-m", "tests.benchmarks.policy", *arguments]
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.long
def test_makes_a_table_and_compares_policies_on_it(tmp_path: Path) -> None:
    table = str(tmp_path / "tiny.npz")
    assert "2 mlp networks of 2 epochs on digits 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 431 + 1007 images" in command(
        "--curves", table, "make", "--levels", "1", "--epochs", "2"
    )
    options = ("--methods", "default,tpe+median", "--seeds", "2", "--budget", "5", "--experience", table)
    printed = command("--curves", table, "compare", *options)
    assert "2 seeds from 0, 4 workers, 1 earlier studies" in printed
    assert re.search(r"^\| policy \| 5R \| completed 5R \| share \| trials \|$", printed, re.MULTILINE)
    assert re.findall(r"^\| (\S+) \| \d\.\d{3} \(\d\.\d{3}\) \| ", printed, re.MULTILINE) == [
        "default",
        "tpe+median",
    ]


@pytest.mark.long
def test_says_how_long_a_suggestion_takes() -> None:
    options = ("--trials", "20", "--earlier", "1", "--suggestions", "3", "--samplers", "curves,tpe")
    rows = re.findall(r"^\| (\w+) \| 20 \| (\d) \| \d+ \| \d+ \| \d+ \|$", command("timing", *options), re.MULTILINE)
    assert rows == [("curves", "0"), ("curves", "1"), ("tpe", "0")]


@pytest.mark.long
def test_without_a_table_it_says_how_to_make_one(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.benchmarks.policy", "--curves", str(tmp_path / "none.npz"), "compare"]
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("policy: there is no table ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "networks"), [("mlp", 1440), ("residual", 672), ("recurrent", 720)])
def test_every_point_of_a_grid_is_a_configuration_of_the_objective(name: str, networks: int) -> None:
    space, levels = FAMILIES[name].objective.space, FAMILIES[name].levels
    numbered = curves.grid(space, {name: len(values) for name, values in levels.items()})
    every = list(curves.points(numbered))
    assert len({curves.key(point) for point in every}) == len(every) == networks
    for point in every:
        numbered.replay(point)
        space.replay(curves.parameters(levels, point))


@pytest.mark.parametrize(("family", "networks"), [("residual", 8), ("recurrent", 12)])
def test_a_family_with_plain_choices_is_trained_and_searched(family: str, networks: int, tmp_path: Path) -> None:
    path = tmp_path / "tiny.npz"
    tabulate.make(path, family=family, most=1, epochs=1, seed=0, classes=["0", "1"], progress=lambda done, wanted: None)
    task, about = curves.read(path)
    assert about.startswith(f"{networks} {family} networks of 1 epochs on digits 0, 1, ")
    setting = StrategySetting(space=task.space, epochs=1, seed=0)
    found = replay(task, *policy.policy("random+halving", setting), epochs=9)
    assert len(found.trials) == 9
    assert 0 < found.best[-1][1] <= task.finals[-1]


def test_one_worker_spends_epoch_by_epoch() -> None:
    found = replay(
        task((0.1, 0.3, 0.2), (0.2, 0.3, 0.9)),
        RandomSampler(seed=0),
        NopPruner(),
        [{"x": 0}, {"x": 1}],
        epochs=6,
        workers=1,
    )
    assert found.best == [(1, 0.1), (2, 0.3), (6, 0.9)]
    assert found.completed == [(3, 0.3), (6, 0.9)]
    assert found.trials == [({"x": 0}, (0.1, 0.3, 0.2)), ({"x": 1}, (0.2, 0.3, 0.9))]


def test_a_slow_network_holds_its_worker_for_longer() -> None:
    slow_and_quick = task((0.7, 0.8, 0.9), (0.4, 0.5, 0.6), seconds=(1.0, 0.3))
    starts = [{"x": 0}, {"x": 1}, {"x": 1}]
    found = replay(slow_and_quick, RandomSampler(seed=0), NopPruner(), starts, epochs=8, workers=2)
    # The quick one's three epochs, the slow one's first, the second quick one's three, the slow one's second.
    assert found.best == [(1, 0.4), (2, 0.5), (3, 0.6), (4, 0.7), (8, 0.8)]
    assert [point for point, _ in found.trials] == [{"x": 1}, {"x": 1}]


def test_a_pruned_trial_and_a_diverged_one_make_way() -> None:
    simulation = Simulation(
        task((0.8, 0.9, 0.7), (0.1, 0.2, 0.3), (0.8,)),
        RandomSampler(seed=0),
        ThresholdPruner(lower=0.5),
        direction="maximize",
    )
    for x in (1, 2, 0):
        simulation.study.enqueue_trial({"x": x})
    found = simulation.run(epochs=6, workers=1)
    assert found.trials == [({"x": 1}, (0.1,)), ({"x": 2}, (0.8,)), ({"x": 0}, (0.8, 0.9, 0.7))]
    pruned, diverged, whole = simulation.study.trials[:3]
    assert [pruned.state, diverged.state] == [TrialState.PRUNED, TrialState.PRUNED]
    assert (whole.state, whole.value) == (TrialState.COMPLETE, 0.9)
    assert [any("feasible" in name for name in trial.system_attrs) for trial in (pruned, diverged)] == [
        False,
        True,
    ]


def test_scores_by_hand() -> None:
    three = task((0.0, 0.2), (0.6, 0.5), (0.9, 1.0))
    assert three.finals.tolist() == [0.2, 0.6, 1.0]
    record = [(1, 0.1), (3, 0.7), (6, 1.0)]
    assert scores.regret(three, record, 2) == 1.0  # worse than the median counts as the median
    assert scores.regret(three, record, 3) == pytest.approx(0.75)
    assert scores.regret(three, record, 6) == 0.0
    assert scores.expected_best(np.array([0.0, 1.0]), 2) == 0.75
    found = [replay(three, RandomSampler(seed=0), NopPruner(), [{"x": 2}], epochs=4, workers=1)]
    # The best of 100 draws is all but surely the best of three; it is reported in the second epoch of 200.
    assert scores.share(three, found, 4) == pytest.approx(2 / 200)
    assert scores.share(three, found, 1) is None
    assert scores.row(three, "name", found, 2).scores[0].regrets == [0.0]


def test_methods_by_name() -> None:
    assert policy.methods("default,tpe+median") == ["default", "tpe+median"]
    assert len(policy.methods("all")) == 1 + len(SAMPLERS) * len(PRUNERS)
    with pytest.raises(UsageError, match="unknown sampler 'tpa'; did you mean tpe"):
        policy.methods("tpa+median")
    with pytest.raises(UsageError, match="unknown pruner ''"):
        policy.methods("tpe")


def test_the_default_is_the_pair_of_its_names() -> None:
    rows = [(0.1 * x, 0.15 * x, 0.1 * x) for x in range(1, 7)]
    given = task(*rows, seconds=[1.0] * 6)
    setting = StrategySetting(space=given.space, epochs=3, seed=5)
    by_name, default = (replay(given, *policy.policy(name, setting), epochs=40) for name in ("curves+rank", "default"))
    assert default == by_name
    assert any(len(curve) < 3 for _, curve in default.trials)  # some were stopped


EPOCHS = 6
PLAIN = [("rate", "float", 1e-4, 1e-1, True), ("units", "int", 16, 64, True), ("drop", "float", 0.0, 0.5, False)]


def searched(chosen: policy.Policy, first_step: int) -> list[FrozenTrial]:
    """30 trials of a made-up objective, whose first epoch is reported under `first_step`."""
    sampler, pruner, starts = chosen
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    for point in starts:
        study.enqueue_trial(dict(point))

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        trial.suggest_int("units", 16, 64, log=True)
        drop = trial.suggest_float("drop", 0.0, 0.5)
        value = 100 - 10 * abs(np.log10(rate) + 3) - 40 * drop
        for epoch in range(EPOCHS):
            trial.report(value * (epoch + 1) / EPOCHS, epoch + first_step)
            if epoch + 1 < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned
        return float(value)

    study.optimize(objective, n_trials=30)
    return study.trials


def test_the_adapter_searches_plain_tuples_from_step_one() -> None:
    space = Space(rate=Float(1e-4, 1e-1, log=True), units=Int(16, 64, log=True), drop=Float(0.0, 0.5))
    ours = searched(default_policy(space, EPOCHS, 3), 0)
    plain = searched(policy.simulated(PLAIN, EPOCHS, 3, []), 1)
    assert [(trial.params, trial.state) for trial in plain] == [(trial.params, trial.state) for trial in ours]
    assert {trial.state for trial in plain} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert max(trial.value or 0.0 for trial in plain) > 85


def test_the_adapter_hands_experience_on() -> None:
    earlier = searched(policy.simulated(PLAIN, EPOCHS, 3, []), 1)
    curves = [(trial.params, list(trial.intermediate_values.values())) for trial in earlier]
    chosen = policy.simulated(PLAIN, EPOCHS, 4, [curves])
    assert 0 < len(chosen[2]) < 10
    assert [trial.params for trial in searched(chosen, 1)[: len(chosen[2])]] == chosen[2]


def test_the_adapter_refuses_another_kind() -> None:
    with pytest.raises(ValueError, match="'text'"):
        policy.simulated([("rate", "text", 0.0, 1.0, False)], EPOCHS, 3, [])


def test_suggestions_are_timed_with_conditions() -> None:
    found = suggesting.times("random", FAMILIES["mlp"].objective.space, trials=5, earlier=0, suggestions=4)
    assert 0 < found.median <= found.ninth
    assert found.first > 0
