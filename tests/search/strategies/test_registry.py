"""The samplers and pruners by name: each runs a study, and proposals depend on history and number alone."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState

from search.errors import UsageError
from search.strategies import policy, registry
from search.strategies.gp.learning_curves import CurveReader
from search.strategies.plan_warnings import warn_about_plan
from search.strategies.pruners.wrappers import AuditedPruner
from search.strategies.samplers import acquisition
from search.strategies.samplers.curves import CurvesSampler
from spaces import Categorical, Fixed, Float, Int, Space

EPOCHS = 9
SPACE = Space(x=Float(0, 1), kind=Categorical({"a": Space(y=Float(0, 0.1)), "b": Space()}))
BY_NUMBER = [name for name in registry.SAMPLERS if name != "qmc"]


def setting(seed: int = 3) -> registry.StrategySetting:
    return registry.StrategySetting(space=SPACE, epochs=EPOCHS, seed=seed, points=5)


def study(sampler: str = "random", pruner: str = "none", seed: int = 3) -> optuna.Study:
    chosen, stopper = policy.build_strategies(sampler, pruner, setting(seed), audit=0.0)
    return optuna.create_study(direction="maximize", sampler=chosen, pruner=stopper)


@pytest.mark.parametrize("sampler", registry.SAMPLERS)
@pytest.mark.parametrize("pruner", registry.PRUNERS)
def test_every_sampler_and_pruner_runs_a_study(sampler: str, pruner: str) -> None:
    made = study(sampler, pruner)

    def objective(trial: optuna.Trial) -> float:
        SPACE.sample(trial)
        best = 0.0
        for epoch in range(EPOCHS):
            best = max(best, trial.params["x"] * (epoch + 1) / EPOCHS + trial.params.get("a.y", 0.0))
            trial.report(best, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    made.optimize(objective, n_trials=25)
    assert len(made.trials) == 25
    assert made.best_value > 0.5


@pytest.mark.parametrize("sampler", BY_NUMBER)
def test_a_proposal_depends_on_the_number_and_not_on_who_asks(sampler: str) -> None:
    def proposals(askers: int) -> list[float]:
        made = study(sampler)
        others = [made]
        for _ in range(askers - 1):
            chosen, stopper = policy.build_strategies(sampler, "none", setting())
            others.append(optuna.load_study(study_name=made.study_name, storage=made._storage, sampler=chosen))
            assert stopper is not None
        values = []
        for number in range(16):
            trial = others[number % askers].ask()
            values.append(trial.suggest_float("x", 0, 1))
            made.tell(trial, values[-1])
        return values

    assert proposals(3) == proposals(1)


def test_the_default_sampler_proposes_no_value_twice() -> None:
    made = study(registry.DEFAULT_SAMPLER)
    values = []
    for _ in range(16):
        trial = made.ask()
        values.append(trial.suggest_float("x", 0, 1))
        made.tell(trial, values[-1])
    assert len(set(values)) == 16


def test_the_default_sampler_and_pruner_read_a_study_together(monkeypatch: pytest.MonkeyPatch) -> None:
    converted, convert = [], CurveReader._encode
    monkeypatch.setattr(CurveReader, "_encode", lambda *of: (converted.extend(of[1]), convert(*of)))
    made = study("curves", "rank")
    report_all(made)
    assert len(converted) == 2 * len(made.trials)  # each as it begins, without parameters, and with these


def test_a_setting_serves_one_study_after_another() -> None:
    def run(given: registry.StrategySetting, slope: float) -> list[tuple[float, int]]:
        sampler, pruner = policy.build_strategies("curves", "rank", given)
        made = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        report_all(made, slope)
        return [(trial.params["x"], len(trial.intermediate_values)) for trial in made.trials]

    shared = setting()
    assert [run(shared, slope) for slope in (1, -1)] == [run(setting(), slope) for slope in (1, -1)]


def report_all(made: optuna.Study, slope: float = 1) -> None:
    """Train trials whose value after each epoch is a multiple of x, until the pruner stops them."""
    for _ in range(16):
        trial = made.ask()
        x = trial.suggest_float("x", 0, 1)
        for epoch in range(EPOCHS):
            trial.report(slope * x * (epoch + 1), epoch)
            if trial.should_prune():
                break
        made.tell(trial, state=TrialState.PRUNED)


def test_another_seed_gives_other_proposals() -> None:
    first = [study(seed=seed).ask().suggest_float("x", 0, 1) for seed in range(5)]
    assert len(set(first)) == 5


def test_halving_looks_after_two_epochs_and_keeps_a_third() -> None:
    made = study(pruner="halving")
    stopped = []
    made.tell(made.ask(), 1.0)
    for value in (0.9, 0.5, 0.6, 0.7):
        trial = made.ask()
        trial.report(value, 0)
        assert not trial.should_prune()  # one epoch is too early
        trial.report(value, 1)
        stopped.append(trial.should_prune())
        made.tell(trial, value if not stopped[-1] else None, state=TrialState.PRUNED if stopped[-1] else None)
    assert stopped == [False, True, True, True]


def test_unknown_names_are_usage_errors() -> None:
    samplers, pruners = ", ".join(registry.SAMPLERS), ", ".join(registry.PRUNERS)
    with pytest.raises(UsageError, match=rf"^unknown sampler 'tpee'; did you mean tpe\? known: {samplers}$"):
        registry.find_sampler("tpee")
    with pytest.raises(UsageError, match=f"^unknown pruner 'x'; known: {pruners}$"):
        registry.find_pruner("x")


@pytest.mark.parametrize("name", BY_NUMBER)
def test_the_next_worker_draws_the_missing_parameters_as_the_dead_one_would_have(name: str) -> None:
    """The first one dies between two parameters; the second finds one of them stored."""

    def study(storage: optuna.storages.BaseStorage) -> optuna.Study:
        sampler, _ = policy.build_strategies(name, "none", setting())
        return optuna.create_study(
            study_name="s", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
        )

    def drawn(trial: optuna.Trial) -> tuple[float, str]:
        SPACE.sample(trial)
        return trial.params["x"], trial.params["kind"]

    whole = drawn(study(optuna.storages.InMemoryStorage()).ask())
    storage = optuna.storages.InMemoryStorage()
    begun = study(storage).ask()
    begun.suggest_float("x", 0, 1)
    assert drawn(optuna.Trial(study(storage), begun._trial_id)) == whole


def test_the_default_policy_is_the_first_of_each() -> None:
    sampler, pruner, starts = policy.default_policy(SPACE, EPOCHS, 3)
    assert (next(iter(registry.SAMPLERS)), next(iter(registry.PRUNERS))) == ("curves", "rank")
    assert isinstance(sampler, CurvesSampler)
    assert isinstance(pruner, AuditedPruner)
    assert starts == []


@pytest.mark.parametrize(
    ("sampler", "pruner", "trials", "epochs", "said"),
    [
        # Rungs after 2, 4 and 10 epochs: 20, 7 and 2 of 20 trials.
        (
            "random",
            "halving",
            20,
            12,
            "--pruner halving would compare only about 2 of 20 trials after epoch 10",
        ),
        ("random", "halving", 40, 12, None),
        ("random", "halving", 20, 10, None),
        ("random", "hyperband", 60, 12, "--pruner hyperband would compare only about 2 of 60 trials after epoch 10"),
        ("random", "median", 7, 10, "--pruner median would compare only about 2 of 7 trials after epoch 1"),
        ("random", "median", 4, 10, "about 0 of 4"),
        ("random", "rank", 4, 50, None),
        ("tpe", "none", 10, 10, "--sampler tpe spreads its first 10 trials over the space"),
        ("curves", "rank", 6, 10, "--sampler curves spreads its first 6 trials over the space"),
        ("curves", "rank", 7, 10, None),
    ],
)
def test_plans_that_cannot_work_are_warned_about(
    sampler: str, pruner: str, trials: int, epochs: int, said: str | None
) -> None:
    warnings = warn_about_plan(sampler, pruner, SPACE, trials=trials, epochs=epochs)
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


@pytest.mark.parametrize(
    ("space", "trials", "has"),
    [
        (Space(x=Int(1, 8)), 30, "8 configurations, fewer than the 30 trials"),
        (Space(x=Int(1, 8)), 9, "8 configurations, fewer than the 9 trials"),
        (Space(x=Int(1, 8)), 8, None),
        (Space(x=Int(1, 8), kind=Categorical({"a": Space(y=Int(1, 2)), "b": Space()})), 30, "24 configurations,"),
        (Space(x=Fixed(1)), 30, "1 configuration, fewer than the 30 trials"),
        (Space(x=Fixed(1)), 1, None),
        (Space(x=Int(1, 10**9)), 20_000, None),
        (SPACE, 30, None),
    ],
)
def test_a_plan_of_more_trials_than_configurations_says_what_will_be_repeated(
    space: Space, trials: int, has: str | None
) -> None:
    warnings = warn_about_plan("curves", "none", space, trials=trials, epochs=9)
    told = [text for text in warnings if text.startswith("the space has ")]
    assert len(told) == (has is not None)
    if has is not None:
        assert told[0].startswith(f"the space has {has}")
        assert told[0].endswith(
            ": once all have been tried, those that may be the best are trained again with further seeds"
        )
    assert warn_about_plan("random", "none", space, trials=trials, epochs=9) == []


def test_the_registry_says_what_the_default_sampler_does() -> None:
    assert registry.SAMPLERS["curves"].startup_trials == acquisition.STARTUP_TRIALS


def test_reading_the_registry_imports_nothing_heavy() -> None:
    code = (
        "import sys; from search.strategies.registry import PRUNERS, SAMPLERS, StrategySetting; "
        "from search.study.options import OPTIONS; assert SAMPLERS and PRUNERS and OPTIONS; "
        "print([name for name in ('torch', 'optuna', 'numpy', 'scipy') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
