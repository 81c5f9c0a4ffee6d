"""The thread count of a trial, which its retraining repeats."""

from __future__ import annotations

import optuna
import pytest
import torch

from search.evaluation.threads import read_threads, use_threads_of

HARDWARE = "cpu (AMD EPYC, AVX512), 3 threads"


@pytest.mark.parametrize(
    ("attributes", "threads"),
    [
        ({"threads": 5, "hardware": "cpu, 3 threads"}, 5),
        ({"hardware": HARDWARE}, 3),  # all that storage version 3 has
        ({"hardware": "cuda:0 (NVIDIA H100), 16 threads"}, 16),
        ({"hardware": "3 threads of a cpu"}, None),
        ({}, None),
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
