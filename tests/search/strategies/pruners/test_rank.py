"""When a trial is stopped: what is expected of its end decides, and where little is known it goes on."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import CurveReader
from search.strategies.pruners.rank import COMPARED, RankPruner, choose_rivals, first_decision, is_decided
from search.strategies.pruners.survivors import choose_decay, count_survivors, list_decisions
from spaces import Float, Space

EPOCHS = 9
SPACE = Space(x=Float(0, 1))


def study(direction: str = "maximize", epochs: int = EPOCHS) -> optuna.Study:
    return optuna.create_study(direction=direction, pruner=RankPruner(SPACE, epochs))


def report(made: optuna.Study, x: float, *values: float) -> optuna.Trial:
    made.enqueue_trial({"x": x})
    trial = made.ask(SPACE.distributions())
    for epoch, value in enumerate(values):
        trial.report(value, epoch)
    return trial


def end(trial: optuna.Trial) -> None:
    """End a trial: completed if it has all its epochs."""
    values = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values.values()
    if len(values) == EPOCHS:
        trial.study.tell(trial, max(values))
    else:
        trial.study.tell(trial, state=TrialState.PRUNED)


def saturating(end_value: float, epochs: int = EPOCHS) -> list[float]:
    return [end_value * (1 - 0.5 ** (epoch + 1)) for epoch in range(epochs)]


def late(end_value: float, wait: int, epochs: int = EPOCHS) -> list[float]:
    """A curve that stays at chance for `wait` epochs."""
    return [0.1] * wait + [0.1 + (end_value - 0.1) * (k + 1) / (EPOCHS - wait) for k in range(epochs - wait)]


@pytest.mark.parametrize(
    ("trials", "epoch", "expected"),
    # trials / (epoch + 1)^1.3 with 2^1.3 = 2.4623, 4^1.3 = 6.0629, 10^1.3 = 19.9526
    [(100, 1, 40.613), (100, 3, 16.494), (100, 9, 5.0119), (200, 9, 10.024), (10, 9, 1), (1, 1, 1)],
)
def test_how_many_go_on(trials: int, epoch: int, expected: float) -> None:
    assert count_survivors(trials, epoch, 20) == pytest.approx(expected, rel=1e-4)


def test_a_long_training_counts_in_parts() -> None:
    assert count_survivors(100, 40, 520) == count_survivors(100, 2, 26)
    assert first_decision(0, 520) == 20


def test_a_short_plan_stops_less() -> None:
    assert choose_decay(None) == choose_decay(300) == choose_decay(5000) == 1.3
    assert choose_decay(10) < choose_decay(30) < choose_decay(100) < 1.3
    # (30 / 300)^0.33 = 0.4677
    assert choose_decay(30) == pytest.approx(1.3 * 0.4677, rel=1e-3)


@pytest.mark.parametrize(
    ("epochs", "looks"),
    [(26, [1, 1, 5, 1, 1, 5]), (10, [1, 1, 3, 1]), (2, [1, 1, 1]), (1, [1, 1, 1])],
)
def test_every_third_trial_is_given_time(epochs: int, looks: list[int]) -> None:
    assert [first_decision(number, epochs) for number in range(len(looks))] == looks


@pytest.mark.parametrize(
    ("epochs", "expected"),
    # A part of 260 epochs is 10 of them, one of 50 is 1.92.
    [
        (260, [10, 20, 30, 50, 80, 130]),
        (50, [2, 4, 6, 10, 15, 25]),
        (20, [1, 2, 3, 5, 8, 13]),
        (1, [1, 2, 3, 5, 8, 13]),
    ],
)
def test_decisions_are_further_and_further_apart(epochs: int, expected: list[int]) -> None:
    assert list_decisions(epochs) == expected


def test_between_decisions_nobody_is_stopped() -> None:
    assert [epoch for epoch in range(1, 20) if is_decided(0, epoch, 20)] == [1, 2, 3, 5, 8, 13]
    assert [epoch for epoch in range(1, 20) if is_decided(2, epoch, 20)] == [4, 5, 8, 13]
    made = study()
    for place in range(12):
        end(report(made, place / 12, *saturating(0.2 + 0.7 * place / 12)))
    worst = report(made, 0.1)  # number 12, as 0 above
    for epoch, value in enumerate(saturating(0.1, 6)):
        worst.report(value, epoch)
        assert worst.should_prune() == (epoch + 1 in (1, 2, 3, 5))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_bad_are_stopped_and_the_good_go_on(direction: str) -> None:
    """Early values have foretold the ends of twelve trials: they count."""
    made, sign = study(direction), 1 if direction == "maximize" else -1
    for place in range(12):
        x = place / 12
        end(report(made, x, *[sign * value for value in saturating(0.2 + 0.7 * x)]))
    assert report(made, 0.15, *[sign * value for value in saturating(0.3, 3)]).should_prune()
    assert not report(made, 0.97, *[sign * value for value in saturating(0.88, 3)]).should_prune()


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_ties_at_chance_are_no_evidence(noise: float) -> None:
    random = np.random.default_rng(1)
    made = study()
    for place in range(15):
        values = [value + noise * random.normal() for value in late(0.3 + 0.6 * place / 15, 4)]
        end(report(made, place / 15, *values))
    for epochs in (1, 2, 3, 4):
        values = [value + noise * random.normal() for value in late(0.9, 4)[:epochs]]
        trial = report(made, 0.5, *values)
        assert not trial.should_prune()
        made.tell(trial, state=TrialState.FAIL)


def test_before_any_has_completed_nobody_is_stopped_for_waiting() -> None:
    made = study()
    running = [report(made, place / 10, 0.1, 0.1) for place in range(10)]
    assert not any(trial.should_prune() for trial in running)


def test_a_late_bloomer_that_completes_has_the_others_waited_for() -> None:
    """The first, audited one ends above all rivals after waiting six epochs; then others of its kind go on."""

    def outlook(bloomer: bool) -> bool:
        made = study()
        for place in range(10):
            end(report(made, place / 20, *saturating(0.4 + place / 100)))
            end(report(made, 0.5 + place / 20, *late(0.9, 6)) if bloomer else report(made, 0.95, 0.1, 0.1))
        return report(made, 0.93, *[0.1] * 5).should_prune()

    assert outlook(bloomer=False)
    assert not outlook(bloomer=True)


def test_what_waits_longer_than_any_good_one_did_is_stopped() -> None:
    made = study()
    for place in range(12):
        end(report(made, place / 12, *late(0.3 + place / 20, 2)))
    assert not report(made, 0.2, 0.1, 0.1).should_prune()
    assert report(made, 0.1, *[0.1] * 5).should_prune()


def test_the_leader_is_never_stopped() -> None:
    made = study()
    for place in range(30):
        end(report(made, place / 30, *[place / 100] * EPOCHS))
    leader = report(made, 1.0, 0.5)
    for epoch in range(1, EPOCHS):
        assert not leader.should_prune()
        leader.report(0.5, epoch)


def test_a_configuration_that_completed_often_is_one_rival() -> None:
    """Twenty trials of the best configuration leave room for the only other one."""
    made = study()
    end(report(made, 0.3, *saturating(0.7)))
    for _ in range(20):
        end(report(made, 0.9, *saturating(0.8)))
    other = report(made, 0.3, *saturating(0.7, 5))
    assert not other.should_prune()


def test_what_reports_no_number_is_stopped_and_stops_nobody() -> None:
    made = study()
    broken = report(made, 0.2, float("nan"))
    assert broken.should_prune()
    assert not report(made, 0.8, 0.01).should_prune()


def test_a_trial_of_all_epochs_is_complete() -> None:
    made = study()
    report(made, 0.9, *[0.9] * EPOCHS)
    assert not report(made, 0.1, *[0.1] * EPOCHS).should_prune()


def test_trials_of_one_configuration_are_compared_by_value() -> None:
    made = optuna.create_study(direction="maximize", pruner=RankPruner(Space(), EPOCHS))
    trials = []
    for place in range(4):
        trials.append(made.ask())
        trials[-1].report(0.5 + place / 10, 0)
    assert trials[1].should_prune()
    assert not trials[3].should_prune()


def test_the_rivals_stand_for_all_trials() -> None:
    made = study()
    for place in range(COMPARED + 101):
        report(made, place / 1000, place / 1000)
    curves = CurveReader(Encoding(SPACE), EPOCHS, 0).read(made)
    rivals, weight_N = choose_rivals(curves, 7)
    assert len(set(rivals)) == len(rivals) == COMPARED
    assert 7 not in rivals
    assert set(range(COMPARED + 101 - COMPARED // 2, COMPARED + 101)) <= set(rivals)  # the best are all there
    assert math.isclose(weight_N.sum(), COMPARED + 100)
