"""A space that could give a configuration which makes no sense is refused at its definition, naming both sides."""

from dataclasses import replace
from typing import Any

import pytest

from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose
from objectives.core.conditions import describe_advice
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from objectives.training.config import TrainingConfig
from spaces import Categorical, Domain, Fixed, Float, Int, Space

SPACE = Space(depth=Fixed(2), width=Fixed(8), learning_rate=Fixed(0.01))
MLP = Objective(data="fashion-mnist", model="mlp", space=SPACE)
CNN = replace(MLP, model="cnn")
SELU = {"activation": Fixed("selu"), "initializer": Fixed("lecun_normal")}


def _space(**domains: Domain) -> Space:
    return SPACE.replace(**domains)


def _error(objective: Objective, space: Space) -> str:
    with pytest.raises(ObjectiveError) as caught:
        replace(objective, space=space)
    message = str(caught.value)
    assert "\n" not in message
    return message


TWO_SIDED: list[tuple[dict[str, Domain], str, str]] = [
    ({**SELU, "normalization": Fixed("batch_norm")}, "activation 'selu' needs normalization none", "batch_norm"),
    ({**SELU, "normalization": Categorical("none", "layer_norm")}, "needs normalization none", "layer_norm"),
    ({"activation": Fixed("selu")}, "activation 'selu' needs initializer lecun_normal", "he_normal"),
    ({"activation": Categorical("relu", "selu")}, "'selu' needs initializer lecun_normal", "he_normal"),
    ({**SELU, "l2": Float(1e-6, 1e-3)}, "activation 'selu' needs l2 0", "1e-06"),
    ({**SELU, "max_norm": Fixed(2.0)}, "activation 'selu' needs max_norm 0", "2.0"),
    ({"alpha_dropout": Float(0.0, 0.1)}, "regularizer 'alpha_dropout' needs activation selu", "relu"),
    (
        {"weight_decay": Fixed(0.1), "optimizer": Fixed("adam")},
        "'weight_decay' needs optimizer sgd or momentum or nesterov or adamw or muon",
        "adam",
    ),
    ({"swa": Fixed(True)}, "regularizer 'swa' needs schedule cosine", "constant"),
]


@pytest.mark.parametrize(("domains", "rule", "other"), TWO_SIDED)
def test_both_sides_are_named(domains: dict[str, Domain], rule: str, other: str) -> None:
    message = _error(MLP, _space(**domains))
    assert rule in message
    assert other in message
    assert "drop one of the two" in message


def test_selu_with_ordinary_dropout() -> None:
    message = _error(MLP, _space(**SELU, dropout=Float(0.0, 0.4)))
    assert "selu" in message
    assert "dropout" in message


def test_selu_in_another_network_than_a_plain_one() -> None:
    message = _error(CNN, _space(**SELU, normalization=Fixed("none")))
    assert "activation 'selu' needs model mlp" in message
    assert "cnn" in message


def test_what_is_allowed_is_let_through() -> None:
    replace(MLP, space=_space(**SELU, alpha_dropout=Float(0.0, 0.1)))
    replace(MLP, space=_space(weight_decay=Fixed(0.1), optimizer=Categorical("adamw", "muon")))
    replace(MLP, space=_space(swa=Categorical(False, True), schedule=Fixed("cosine_dips")))


def test_recipes_keep_apart_what_does_not_go_together() -> None:
    recipe = Categorical({"selu": Space(**SELU), "norm": Space(normalization=Fixed("batch_norm"))}, inline=True)
    replace(MLP, space=_space(recipe=recipe))
    assert "'selu' needs l1 0" in _error(MLP, _space(recipe=recipe, l1=Fixed(0.1)))


def test_momentum_is_no_option_of_plain_sgd() -> None:
    optimizer = Categorical({"sgd": Space(momentum=Float(0.5, 0.9))})
    message = _error(MLP, _space(optimizer=optimizer))
    assert "optimizer 'sgd' has no option 'momentum' (set to 0.5)" in message


@pytest.mark.parametrize(
    "domains",
    [
        {"optimizer": Categorical("adam", "adamm")},
        {"schedule": Fixed("cosin")},
        {"activation": Categorical({"relu": Space(), "reluu": Space()})},
        {"clipping": Fixed("clipnorm")},
        {"normalization": Fixed("batchnorm")},
    ],
)
def test_unknown_names_are_found_with_close_matches(domains: dict[str, Any]) -> None:
    assert "did you mean" in _error(MLP, _space(**domains))


@pytest.mark.parametrize(
    ("domains", "value"),
    [
        ({"optimizer": Categorical({"sgd": Space(learning_rate=Float(-0.5, 0.1))})}, "-0.5"),
        ({"schedule": choose(SCHEDULES, "step", gamma=Float(0.5, 7.0))}, "7.0"),
        ({"label_smoothing": Float(0.0, 1.5)}, "1.5"),
        ({"optimizer": choose(OPTIMIZERS, "nesterov", momentum=Fixed(1.25))}, "1.25"),
    ],
)
def test_ranges_keep_to_the_limits_of_the_technique(domains: dict[str, Domain], value: str) -> None:
    assert f"but got {value}" in _error(MLP, _space(**domains))


@pytest.mark.parametrize(
    ("domains", "what"),
    [
        ({"schedule": choose(SCHEDULES, "constant", "plateau")}, "schedule 'plateau' needs validation"),
        ({"early_stopping": Fixed(3)}, "regularizer 'early_stopping' needs validation"),
    ],
)
def test_what_looks_at_validation_needs_some(domains: dict[str, Domain], what: str) -> None:
    with pytest.raises(ObjectiveError, match=what):
        replace(MLP, space=_space(**domains), validation_fraction=0.0)


def test_pooling_below_one_pixel_is_refused_with_both_sizes() -> None:
    objective = replace(CNN, space=_space(depth=Fixed(6), pool_rounds=Int(1, 5)))
    objective.check_images((3, 32, 32))
    with pytest.raises(ObjectiveError, match=r"pool_rounds=5 is too much for 28x28 images; .*=4 at most"):
        objective.check_images((1, 28, 28))


def test_more_rounds_of_pooling_than_blocks_are_refused_in_the_corner_where_they_meet() -> None:
    assert "0 <= pool_rounds <= depth must hold" in _error(CNN, _space(depth=Int(2, 6), pool_rounds=Int(1, 3)))


def test_a_model_without_a_needed_field_in_one_recipe() -> None:
    recipe = Categorical({"a": Space(width=Fixed(8)), "b": Space()}, inline=True)
    with pytest.raises(ObjectiveError, match="model 'mlp' needs 'width'; add it to the space"):
        Objective(data="digits", model="mlp", space=Space(depth=Fixed(1), recipe=recipe))


def test_own_networks_may_use_our_words_for_their_own_things() -> None:
    own = Objective(data="digits", build_model=lambda config: None, space=Space(activation=Fixed("wobble")))
    assert own.space.names() == ["activation"]
    with pytest.raises(ObjectiveError, match="unknown optimizer 'wobble'"):
        replace(own, space=Space(optimizer=Fixed("wobble")))
    Objective(data="digits", train=lambda *_: None, space=Space(optimizer=Fixed("wobble")))


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        (
            {"warmup_epochs": Int(1, 4)},
            "warmup_epochs must be below the epochs, but got warmup_epochs=4, epochs=4",
        ),
        (
            {"schedule": choose(SCHEDULES, "constant", "cosine_dips")},
            "but got dips=2 in 4 epochs; use dips=1 at most",
        ),
    ],
)
def test_a_schedule_that_needs_more_epochs_is_refused(domains: dict[str, Domain], message: str) -> None:
    long = replace(MLP, space=_space(**domains), epochs=12)
    with pytest.raises(ObjectiveError, match=message):
        long.check_epochs(4)
    with pytest.raises(ObjectiveError, match=message):
        replace(long, epochs=4)


def test_adam_with_l2_is_accepted_with_a_note_that_names_adamw() -> None:
    def advise(optimizer: str, **domains: Domain) -> tuple[str, ...]:
        space = _space(optimizer=Fixed(optimizer), **domains)
        return describe_advice(replace(MLP, space=space).space)

    (note,) = advise("adam", l2=Float(1e-6, 1e-3))
    assert note.startswith("l2 with optimizer adam: ")
    assert "optimizer adamw with weight_decay" in note
    assert advise("adam") == advise("nesterov", l2=Fixed(1e-4)) == advise("adam", l2=Fixed(0.0)) == ()


def test_a_decay_of_plain_sgd_may_stand_on_its_own() -> None:
    decay = Float(1e-5, 1e-2, log=True)
    objective = replace(MLP, space=_space(optimizer=choose(OPTIMIZERS, "sgd", "nesterov"), weight_decay=decay))
    choice = objective.space.replay({"optimizer": "sgd", "sgd.learning_rate": 0.1, "weight_decay": 1e-3})
    assert choice.into(TrainingConfig).optimizer_choice.options["weight_decay"] == 1e-3


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay"])
def test_a_searched_value_that_an_optimizers_own_would_hide_is_refused(name: str) -> None:
    message = _error(MLP, _space(**{name: Float(1e-5, 1e-2, log=True)}, optimizer=choose(OPTIMIZERS, "adamw")))
    assert f"the space has '{name}' twice" in message
    assert "optimizer 'adamw'" in message
