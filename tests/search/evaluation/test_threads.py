"""The thread count of a trial, which its retraining repeats."""

from __future__ import annotations

import optuna
import pytest
import torch

from search.evaluation.threads import read_threads, use_threads_of


@pytest.mark.parametrize(
    ("attributes", "threads"),
    [
        ({"threads": 5, "hardware": "x86_64 AVX512"}, 5),
        ({}, None),  # it was made by hand
    ],
)
def test_a_trial_tells_its_threads(attributes: dict[str, object], threads: int | None) -> None:
    assert read_threads(optuna.trial.create_trial(value=0.5, user_attrs=attributes)) == threads


def test_a_retraining_has_the_threads_of_its_trial_and_gives_them_back() -> None:
    before = torch.get_num_threads()
    with use_threads_of(optuna.trial.create_trial(value=0.5, user_attrs={"threads": before + 1})):
        assert torch.get_num_threads() == before + 1
    with use_threads_of(optuna.trial.create_trial(value=0.5)):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before
