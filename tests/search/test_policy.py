"""The policy: proposals that depend on history and number alone, and pruning that leaves a study its winner."""

from __future__ import annotations

import optuna
import pytest
from optuna.pruners import NopPruner, ThresholdPruner
from optuna.trial import TrialState

from search import policy
from search.errors import UsageError

EPOCHS = 9


def study(sampler: str = "random", pruner: str = "none", seed: int = 3) -> optuna.Study:
    chosen, stopper = policy.build(sampler, pruner, epochs=EPOCHS, seed=seed)
    return optuna.create_study(direction="maximize", sampler=chosen, pruner=stopper)


@pytest.mark.parametrize("sampler", policy.SAMPLERS)
@pytest.mark.parametrize("pruner", policy.PRUNERS)
def test_every_sampler_and_pruner_runs_a_study(sampler: str, pruner: str) -> None:
    made = study(sampler, pruner)

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        best = 0.0
        for epoch in range(EPOCHS):
            best = max(best, x * (epoch + 1) / EPOCHS + (kind == "a") * trial.suggest_float("a.y", 0, 0.1))
            trial.report(best, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    made.optimize(objective, n_trials=25)
    assert len(made.trials) == 25
    assert made.best_value > 0.5


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_proposal_depends_on_the_number_and_not_on_who_asks(sampler: str) -> None:
    def proposals(askers: int) -> list[float]:
        made = study(sampler)
        others = [made]
        for _ in range(askers - 1):
            chosen, stopper = policy.build(sampler, "none", epochs=EPOCHS, seed=3)
            others.append(optuna.load_study(study_name=made.study_name, storage=made._storage, sampler=chosen))
            assert stopper is not None
        values = []
        for number in range(16):
            trial = others[number % askers].ask()
            values.append(trial.suggest_float("x", 0, 1))
            made.tell(trial, values[-1])
        return values

    alone = proposals(1)
    assert len(set(alone)) == 16
    assert proposals(3) == alone


def test_another_seed_gives_other_proposals() -> None:
    first = [study(seed=seed).ask().suggest_float("x", 0, 1) for seed in range(5)]
    assert len(set(first)) == 5


def test_the_leader_goes_on_until_something_is_complete() -> None:
    made = optuna.create_study(
        direction="maximize", pruner=policy.Sparing(ThresholdPruner(lower=2.0), EPOCHS), sampler=None
    )
    leader, behind = made.ask(), made.ask()
    leader.report(0.9, 0)
    behind.report(0.5, 0)
    assert not leader.should_prune()
    assert behind.should_prune()
    made.tell(made.ask(), 0.1)  # something has completed
    assert leader.should_prune()


def test_a_trial_past_two_thirds_is_let_finish() -> None:
    made = optuna.create_study(direction="maximize", pruner=policy.Sparing(ThresholdPruner(lower=2.0), EPOCHS))
    made.tell(made.ask(), 1.0)
    trial = made.ask()
    pruned = []
    for epoch in range(EPOCHS):
        trial.report(0.1, epoch)
        pruned.append(trial.should_prune())
    assert pruned == [True] * 6 + [False] * 3


def test_what_the_pruner_spares_is_spared() -> None:
    made = optuna.create_study(direction="maximize", pruner=policy.Sparing(NopPruner(), EPOCHS))
    made.tell(made.ask(), 1.0)
    trial = made.ask()
    trial.report(0.0, 0)
    assert not trial.should_prune()


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
    with pytest.raises(UsageError, match="unknown sampler 'tpee'; did you mean tpe"):
        policy.check("tpee", "none")
    with pytest.raises(UsageError, match="unknown pruner 'x'; known: halving, median, hyperband, none"):
        policy.check("tpe", "x")


def test_the_best_value_ignores_nan() -> None:
    assert policy.best_value({0: 0.1, 1: float("nan"), 2: 0.3}) == 0.3
    assert policy.best_value({}) == float("-inf")


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_what_a_dead_worker_did_not_draw_is_drawn_alike_by_the_next(name: str) -> None:
    """The first one dies between two parameters; the second finds one of them stored."""

    def study(storage: optuna.storages.BaseStorage) -> optuna.Study:
        sampler, _ = policy.build(name, "none", epochs=3, seed=5)
        return optuna.create_study(
            study_name="s", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
        )

    def drawn(trial: optuna.Trial) -> tuple[float, float]:
        return trial.suggest_float("a", 0, 1), trial.suggest_float("b", 0, 1)

    whole = drawn(study(optuna.storages.InMemoryStorage()).ask())
    storage = optuna.storages.InMemoryStorage()
    begun = study(storage).ask()
    begun.suggest_float("a", 0, 1)
    assert drawn(optuna.Trial(study(storage), begun._trial_id)) == whole
