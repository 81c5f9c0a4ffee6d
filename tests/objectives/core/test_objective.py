"""What an objective must be: each rule has its sentence, with the value in it."""

from dataclasses import replace
from typing import Any

import pytest

from objectives.base.errors import ObjectiveError
from objectives.core.objective import Objective
from spaces import Configuration, Fixed, Float, Int, Space

SPACE = Space(depth=Int(1, 3), width=Fixed(8))
OBJECTIVE = Objective(data="digits", model="mlp", space=SPACE)


def _build_model(config: Configuration) -> Any:
    raise AssertionError("a definition builds nothing")


def _train(config: Configuration, data: object, report: object) -> Any:
    raise AssertionError("a definition trains nothing")


def test_defaults() -> None:
    assert (OBJECTIVE.epochs, OBJECTIVE.trials, OBJECTIVE.validation_fraction) == (10, 50, 0.1)
    assert (OBJECTIVE.classes, OBJECTIVE.precision, OBJECTIVE.image_size) == (None, "float32", None)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "exactly one of model, build_model and train, but got none"),
    ({"build_model": _build_model}, "exactly one of .* but got model, build_model"),
    ({"train": _train}, "exactly one of .* but got model, train"),
    ({"model": None, "build_model": _build_model, "train": _train}, "but got build_model, train"),
    ({"model": "mpl"}, "unknown model 'mpl'; did you mean mlp"),
    ({"epochs": 0}, "epochs must be at least 1, but got epochs=0"),
    ({"trials": -1}, "trials must be at least 1, but got trials=-1"),
    ({"train_examples": 0}, "train_examples must be at least 1, but got train_examples=0"),
    ({"classes": ("cat",)}, r"two or more different names, but got \['cat'\]"),
    ({"classes": ("cat", "dog", "cat")}, r"two or more different names, but got \['cat', 'dog', 'cat'\]"),
    ({"validation_fraction": 0.0}, "0 < validation_fraction < 1 must hold, but got 0.0"),
    ({"validation_fraction": 1}, "0 < validation_fraction < 1 must hold, but got 1"),
    ({"validation_fraction": float("nan")}, "but got nan"),
    ({"image_size": 0}, "image_size must be at least 1, but got image_size=0"),
    ({"precision": "float16"}, "unknown precision 'float16'; known: auto, float32, bfloat16"),
    ({"space": Space(width=Fixed(8))}, "model 'mlp' needs 'depth'; add it to the space"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_broken_rule_is_told(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        replace(OBJECTIVE, **change)


@pytest.mark.parametrize("name", ["dropuot", "pool_round", "learning_rates"])
def test_unread_name_is_refused(name: str) -> None:
    with pytest.raises(ObjectiveError, match=f"neither model 'mlp' nor the training reads '{name}'; they read"):
        replace(OBJECTIVE, space=SPACE.replace(**{name: Float(0, 1)}))


def test_an_option_at_the_wrong_place_is_told_where_it_belongs() -> None:
    with pytest.raises(ObjectiveError, match="reads 'momentum'; it is an option of optimizer momentum and optimizer"):
        replace(OBJECTIVE, space=SPACE.replace(momentum=Float(0.5, 0.9)))


def test_names_of_model_and_training_are_read() -> None:
    space = SPACE.replace(
        dropout=Float(0, 0.5), learning_rate=Fixed(0.1), label_smoothing=Fixed(0.1), activation=Fixed("relu")
    )
    assert replace(OBJECTIVE, space=space).space == space


def test_own_model_may_have_any_names() -> None:
    space = Space(anything=Int(1, 3))
    assert Objective(data="digits", build_model=_build_model, space=space).space == space
    assert Objective(data="digits", train=_train, space=space).model is None


def test_frozen_and_keyword_only() -> None:
    with pytest.raises(AttributeError):
        OBJECTIVE.epochs = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Objective("digits", SPACE)  # type: ignore[call-arg]
