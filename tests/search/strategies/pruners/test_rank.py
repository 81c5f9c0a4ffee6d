"""When a trial is stopped, checked against hand-computed tables."""

from __future__ import annotations

import optuna
import pytest

from search.strategies.pruners.rank import RankPruner, count_survivors, first_decision
from spaces import Float, Space

EPOCHS = 9
SPACE = Space(x=Float(0, 1))


def study() -> optuna.Study:
    return optuna.create_study(direction="maximize", pruner=RankPruner(SPACE, EPOCHS))


def report(made: optuna.Study, *values: float) -> optuna.Trial:
    trial = made.ask(SPACE.distributions())
    for epoch, value in enumerate(values):
        trial.report(value, epoch)
    return trial


@pytest.mark.parametrize(
    ("trials", "epoch", "expected"),
    # trials / (epoch + 1)^1.3 with 2^1.3 = 2.4623, 4^1.3 = 6.0629, 10^1.3 = 19.9526
    [(100, 1, 40.613), (100, 3, 16.494), (100, 9, 5.0119), (200, 9, 10.024), (10, 9, 1), (1, 1, 1)],
)
def test_how_many_go_on(trials: int, epoch: int, expected: float) -> None:
    assert count_survivors(trials, epoch) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("epochs", "looks"),
    [(26, [1, 1, 5, 1, 1, 5]), (10, [1, 1, 3, 1]), (50, [1, 1, 7]), (2, [1, 1, 1]), (1, [1, 1, 1])],
)
def test_every_third_trial_is_given_time(epochs: int, looks: list[int]) -> None:
    assert [first_decision(number, epochs) for number in range(len(looks))] == looks


def test_a_late_bloomer_that_is_given_time_passes_its_early_rivals() -> None:
    made = study()
    report(made, 0.5, 0.5, 0.5)
    report(made, 0.4, 0.5, 0.5)
    bloomer = report(made, 0.1)
    assert not bloomer.should_prune()
    bloomer.report(0.2, 1)
    assert not bloomer.should_prune()
    bloomer.report(0.6, 2)
    assert not bloomer.should_prune()
    made.tell(bloomer, state=optuna.trial.TrialState.PRUNED)
    assert report(made, 0.1).should_prune()  # the next one is not


def test_first_arrivals_are_not_let_through_for_being_first() -> None:
    made = study()
    assert not report(made, 0.5).should_prune()  # nobody to compare with
    assert report(made, 0.4).should_prune()  # of two, 2 / 2.46 go on: the better one
    assert not report(made, 0.6).should_prune()
    assert report(made, 0.5, 0.55).should_prune()  # of four, 4 / 4.17 after two epochs


def test_the_share_that_goes_on_falls_with_every_epoch() -> None:
    made = study()
    for place in range(20):
        report(made, *[place / 20 + epoch / 1000 for epoch in range(EPOCHS)])
    passed = []
    for epochs in range(1, EPOCHS):
        lets_through = 0
        for place in range(20):
            if first_decision(len(made.trials), EPOCHS) > 1:
                made.tell(made.ask(), state=optuna.trial.TrialState.FAIL)  # one that is given time
            trial = report(made, *[place / 20 + 0.001 + epoch / 1000 for epoch in range(epochs)])
            lets_through += not trial.should_prune()
            made._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
        passed.append(lets_through)
    assert passed == sorted(passed, reverse=True)
    # 21 trials have reported; of those ahead none or some: 21 / 2.46 = 8.5 and 21 / 17.4 = 1.2.
    assert passed[0] == 9
    assert passed[-1] == 2


def test_a_trial_behind_a_younger_one_is_stopped() -> None:
    """After one epoch the younger has more than the older had after three."""
    made = study()
    older = report(made, 0.1, 0.2, 0.3)
    report(made, 0.4)
    assert older.should_prune()


def test_the_leader_is_never_stopped() -> None:
    made = study()
    for place in range(30):
        report(made, *[place / 100] * EPOCHS)
    leader = report(made, 0.5)
    for epoch in range(1, EPOCHS):
        assert not leader.should_prune()
        leader.report(0.5, epoch)


def test_of_equals_the_earlier_goes_on() -> None:
    made = study()
    first, second = report(made, 0.5), report(made, 0.5)
    assert not first.should_prune()
    assert second.should_prune()


def test_a_late_dip_does_not_stop_the_best() -> None:
    made = study()
    report(made, 0.1, 0.2, 0.3)
    assert not report(made, 0.9, 0.1, 0.1).should_prune()


def test_what_reports_no_number_is_stopped_and_stops_nobody() -> None:
    made = study()
    broken = report(made, float("nan"))
    assert broken.should_prune()
    assert not report(made, 0.01).should_prune()


def test_a_trial_of_all_epochs_is_complete() -> None:
    made = study()
    report(made, *[0.9] * EPOCHS)
    assert not report(made, *[0.1] * EPOCHS).should_prune()
