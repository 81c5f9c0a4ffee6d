"""The hash of what an objective declares: everything that decides its trainings, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from objectives.core.declaration import hash_declaration
from objectives.core.objective import Objective
from objectives.discovery import find_objective
from spaces import Fixed, Int, Space
from storage.migrations.versions.version_4 import SHIPPED

OBJECTIVE = find_objective("digits-depth").objective
CHANGED: dict[str, Any] = {
    "data": "mnist",
    "space": Space(depth=Int(1, 2), width=Int(8, 9)),
    "classes": ("0", "1"),
    "image_size": 8,
    "precision": "auto",
    "validation_fraction": 0.3,
    "retrain_on_validation": False,
    "devices": 2,
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_decides_a_training_is_in_the_hash(name: str) -> None:
    assert hash_declaration(replace(OBJECTIVE, **{name: CHANGED[name]})) != hash_declaration(OBJECTIVE)


def test_the_model_is_in_the_hash() -> None:
    space = Space(depth=Fixed(2), width=Fixed(8))
    mlp, cnn = (Objective(data="digits", model=model, space=space) for model in ("mlp", "cnn"))
    assert hash_declaration(mlp) != hash_declaration(cnn)


def test_what_a_study_may_choose_for_itself_is_not() -> None:
    changed = replace(OBJECTIVE, description="other words", epochs=3, trials=4, train_examples=100)
    assert hash_declaration(changed) == hash_declaration(OBJECTIVE)


# Those that search over every entry of a registry, which has new ones, or that search techniques that came later; those
# with a plateau, whose patience means other epochs, with cosine_restarts in cycles, or with a momentum beside
# one_cycle, which had no effect; long trainings, which end early now; and one that trains in bfloat16 now.
CHANGED_ON_PURPOSE = {
    *("fashion-activations", "cifar-resnet", "fashion-regularizers", "fashion-schedules"),
    *("cifar-conv", "fashion-depth", "fashion-recurrent", "fashion-transfer"),
}


@pytest.mark.parametrize("name", sorted(SHIPPED.keys() - CHANGED_ON_PURPOSE))
def test_stored_studies_of_shipped_objectives_know_them_still(name: str) -> None:
    """An objective that is changed on purpose leaves this test: its stored studies cannot continue with it."""
    assert find_objective(name).source_hash == SHIPPED[name][1]
