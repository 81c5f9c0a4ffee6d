"""What holds for every pruner: a study gets its winner, and some of what is stopped runs on."""

from __future__ import annotations

import optuna
import pytest
from optuna.pruners import NopPruner, SuccessiveHalvingPruner, ThresholdPruner
from optuna.trial import FrozenTrial, TrialState

from search.display.status_report import format_audit
from search.strategies.pruners.audit import AUDITED, summarize_audit
from search.strategies.pruners.survivors import count_owed
from search.strategies.pruners.wrappers import AuditedPruner, CompletionGuarantee

EPOCHS = 9


def test_the_leader_goes_on_until_something_is_complete() -> None:
    made = optuna.create_study(
        direction="maximize", pruner=CompletionGuarantee(ThresholdPruner(lower=2.0), EPOCHS, None), sampler=None
    )
    leader, behind = made.ask(), made.ask()
    leader.report(0.9, 0)
    behind.report(0.5, 0)
    assert not leader.should_prune()
    assert behind.should_prune()
    made.tell(made.ask(), 0.1)  # something has completed
    assert leader.should_prune()


def test_a_trial_past_two_thirds_is_let_finish() -> None:
    made = optuna.create_study(
        direction="maximize", pruner=CompletionGuarantee(ThresholdPruner(lower=2.0), EPOCHS, None)
    )
    made.tell(made.ask(), 1.0)
    trial = made.ask()
    pruned = []
    for epoch in range(EPOCHS):
        trial.report(0.1, epoch)
        pruned.append(trial.should_prune())
    assert pruned == [True] * 6 + [False] * 3


def test_a_pruner_is_not_asked_about_a_trial_that_runs_on_unless_it_records_rungs() -> None:
    asked = []

    class Asked(SuccessiveHalvingPruner):
        def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
            asked.append((type(self).__name__, len(trial.intermediate_values)))
            return False

    class AskedEarly(ThresholdPruner):
        prune = Asked.prune

    for pruner in (Asked(), AskedEarly(lower=2.0)):
        made = optuna.create_study(direction="maximize", pruner=CompletionGuarantee(pruner, 3, None))
        trial = made.ask()
        for epoch in range(3):
            trial.report(0.1, epoch)
            assert not trial.should_prune()
    assert asked == [("Asked", 1), ("Asked", 2), ("Asked", 3), ("AskedEarly", 1), ("AskedEarly", 2)]


@pytest.mark.parametrize(
    ("started", "planned", "owed"),
    [(1, 30, 1), (10, 30, 1), (11, 30, 2), (30, 30, 3), (300, 300, 30), (2, 2, 2), (90, None, 3), (5, None, 1)],
)
def test_how_many_should_have_completed(started: int, planned: int | None, owed: int) -> None:
    assert count_owed(started, planned) == owed


@pytest.mark.parametrize(
    ("planned", "workers", "direction"), [(30, 1, "maximize"), (30, 4, "minimize"), (60, 4, "maximize")]
)
def test_three_or_a_tenth_of_a_plan_complete_although_the_pruner_would_stop_all(
    planned: int, workers: int, direction: str
) -> None:
    harsh = ThresholdPruner(upper=-2.0)
    made = optuna.create_study(direction=direction, pruner=CompletionGuarantee(harsh, EPOCHS, planned), sampler=None)
    running: list[optuna.Trial] = []
    for step in range(10_000):
        if len(running) < workers and len(made.get_trials(deepcopy=False)) < planned:
            running.append(made.ask())
        if not running:
            break
        trial = running[step % len(running)]
        epoch = len(made.get_trials(deepcopy=False)[trial.number].intermediate_values)
        trial.report((trial.number * 7919 % 101) / 100 + epoch / 1000, epoch)
        if epoch + 1 == EPOCHS:
            made.tell(trial, 1.0)
        elif trial.should_prune():
            made.tell(trial, state=TrialState.PRUNED)
        else:
            continue
        running.remove(trial)
    completed = sum(trial.state == TrialState.COMPLETE for trial in made.trials)
    assert max(3, planned // 10) <= completed <= max(3, planned // 10) + workers


def test_what_the_pruner_spares_is_spared() -> None:
    made = optuna.create_study(direction="maximize", pruner=CompletionGuarantee(NopPruner(), EPOCHS, None))
    made.tell(made.ask(), 1.0)
    trial = made.ask()
    trial.report(0.0, 0)
    assert not trial.should_prune()


def stopping(share: float, seed: int = 0, epochs: int = 20) -> optuna.Study:
    """A study whose pruner stops whatever is below 0.5, of trials as long as they are told to be."""
    made = optuna.create_study(
        direction="maximize", pruner=AuditedPruner(ThresholdPruner(lower=0.5), share, seed), sampler=None
    )
    for _ in range(40):
        trial = made.ask()
        for epoch in range(epochs):
            trial.report(0.1, epoch)
            if trial.should_prune():
                trial.set_user_attr("reason", "pruner")
                made.tell(trial, state=TrialState.PRUNED)
                break
        else:
            made.tell(trial, 0.1)
    return made


def test_without_a_share_nothing_runs_on() -> None:
    assert all(len(trial.intermediate_values) == 1 for trial in stopping(0.0).trials)


def test_with_the_whole_share_everything_does() -> None:
    made = stopping(1.0)
    assert all(trial.user_attrs[AUDITED] == 1 for trial in made.trials)
    assert all(trial.state == TrialState.COMPLETE for trial in made.trials)


def test_what_runs_on_is_drawn_by_the_seed() -> None:
    drawn = [[AUDITED in trial.user_attrs for trial in stopping(0.5, seed, epochs=2).trials] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 10 < sum(drawn[0]) < 30


def test_the_audit_stays_within_its_share_of_the_epochs() -> None:
    """Of 40 trials 4 or so are drawn; each runs on for 19 epochs, which is half of what the others train."""
    made = stopping(0.1)
    ran_on = [trial for trial in made.trials if AUDITED in trial.user_attrs]
    assert 1 <= len(ran_on) <= 2
    everything = sum(len(trial.intermediate_values) for trial in made.trials)
    assert sum(len(trial.intermediate_values) - 1 for trial in ran_on[:-1]) <= 0.1 * everything


def test_what_is_audited_goes_on_to_its_end() -> None:
    made = optuna.create_study(
        direction="maximize", pruner=AuditedPruner(ThresholdPruner(lower=0.5), 1.0, 0), sampler=None
    )
    first, trial = made.ask(), made.ask()
    for _ in range(2):
        first.report(0.9, len(first.storage.get_trial(first._trial_id).intermediate_values))
    for epoch in range(8):
        trial.report(0.1, epoch)
        assert not trial.should_prune()
    assert made.trials[1].user_attrs[AUDITED] == 1


def completed(value: float, *, stopped_after: int | None = None, epochs: int = 5) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        value=value,
        intermediate_values=dict.fromkeys(range(epochs), value),
        user_attrs={} if stopped_after is None else {AUDITED: stopped_after},
    )


def stopped() -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState.PRUNED, value=0.3, intermediate_values={0: 0.3}, user_attrs={"reason": "pruner"}
    )


def test_what_the_audit_says() -> None:
    nothing = summarize_audit([completed(0.8), stopped()])
    assert (nothing.stopped, nothing.audited, nothing.share_95) == (1, 0, None)
    assert format_audit(nothing) is None
    fine = summarize_audit([completed(0.8), stopped(), stopped(), completed(0.7, stopped_after=2)])
    assert (fine.stopped, fine.audited, fine.better, fine.gain, fine.epochs) == (3, 1, 0, 0.0, 3)
    assert format_audit(fine) == (
        "pruning stopped 3 trials early. As a check, 1 of them was trained to the end: none beat the best of the "
        "others (with 95% confidence, at most 79% of the stopped trials would have)"
    )
    costly = summarize_audit(
        [completed(0.8), completed(0.85, stopped_after=1), completed(0.9, stopped_after=1), stopped()]
    )
    assert (costly.better, costly.gain) == (2, pytest.approx(0.1))
    assert "2 of them were trained to the end: 2 beat the best of the others, by up to 0.1000" in str(
        format_audit(costly)
    )
