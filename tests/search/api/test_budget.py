"""A budget of epochs from Python: two workers spend it, a larger one continues, a time ends a run."""

from __future__ import annotations

import pytest

from search import Study, UsageError
from tests.conftest import execute
from tests.search.command import done

EPOCHS = 2


def create(address: str, budget: str | None) -> Study:
    return Study.create(
        "s",
        "digits-depth",
        budget=budget,
        epochs=EPOCHS,
        overrides={"width": "8:16", "depth": "1:2"},
        experience="none",
        sampler="random",
        storage=address,
    )


@pytest.mark.slow
@pytest.mark.long
def test_two_workers_begin_no_trial_once_the_epochs_are_stored(database_url: str) -> None:
    with create(database_url, "2R") as study:
        status = study.run(workers=2, device="cpu")
        check_spent(study, status.epochs_trained, 2 * EPOCHS)
        assert (status.budget.trials, status.budget.left, status.budget.epochs) == (None, 0, 2 * EPOCHS)
        before = study.trials
        assert study.run(workers=1, device="cpu") == status
        after = study.run(budget="4R", workers=2, device="cpu")
        check_spent(study, after.epochs_trained, 4 * EPOCHS)
        assert study.trials[: len(before)] == before
    shown = done("status", "--study", "s", "--storage", database_url).out
    assert f"{after.epochs_trained} of {4 * EPOCHS} epochs trained" in shown


def check_spent(study: Study, trained: int, budget: int) -> None:
    """The budget is reached, exceeded by less than a full training of each worker, and nothing is left running."""
    states = [trial.state for trial in study.trials]
    assert set(states) <= {"complete", "pruned"}
    assert budget <= trained < budget + 2 * EPOCHS


def test_a_study_is_created_with_epochs_and_run_for_a_time(database_url: str) -> None:
    with pytest.raises(UsageError, match=r"study.run\(budget='2h'\)"):
        create(database_url, "2h")
    with pytest.raises(UsageError, match="such as 20R"):
        create(database_url, "20")
    with create(database_url, "1R") as study, pytest.raises(UsageError, match="give one of them"):
        study.run(budget="2h", timeout=60)
    assert execute(database_url, "SELECT trials, epoch_budget FROM depthsearch.studies") == [(None, EPOCHS)]
