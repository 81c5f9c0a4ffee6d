"""What a space may take over from a source, checked before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose
from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.reuse.catalogue import REUSES
from objectives.reuse.compatibility import check_layers, check_source, list_sources
from objectives.reuse.trained_network import TrainedNetwork
from spaces import Categorical, Domain, Fixed, Int, Space

STORED = {
    "depth": 3,
    "width": 32,
    "activation": {"name": "leaky_relu", "slope": 0.1},
    "dropout": 0.2,
    "optimizer": {"name": "adam", "learning_rate": 1e-3},
}


def _reuse(source: str = "eight", layers: Domain | None = None) -> Categorical:
    return choose(REUSES, "none", "transfer", source=Fixed(source), layers=layers or Int(1, 2))


def _transfer() -> Categorical:
    return choose(REUSES, "transfer", source=Fixed("eight"), layers=Int(1, 2))


def _space(**domains: Domain) -> Space:
    activation = choose(ACTIVATIONS, "leaky_relu", slope=Fixed(0.1))
    return Space({"depth": Fixed(3), "width": Fixed(32), "activation": activation, "reuse": _reuse(), **domains})


def _source(**changes: Any) -> TrainedNetwork:
    configuration = {**STORED, **changes.pop("configuration", {})}
    given = {"name": "eight", "sha256": "0" * 64, "model": "mlp", "image_shape": (1, 8, 8), "classes": ("a", "b")}
    return TrainedNetwork(**{**given, "configuration": configuration, "weights": b"", **changes})


def _check(space: Space, source: TrainedNetwork, model: str | None = "mlp") -> None:
    check_source(model, None if model is None else MODELS[model], space, source)


def test_what_is_of_one_form_passes_whatever_else_differs() -> None:
    different = {"dropout": Fixed(0.4), "input_dropout": Fixed(0.1), "biases": Fixed("constant")}
    _check(_space(depth=Int(2, 6), initializer=Fixed("lecun_normal"), **different), _source())


@pytest.mark.parametrize(
    ("domains", "sentence"),
    [
        ({"width": Int(16, 64)}, r"'eight' was trained with width=32, but .* width=16; use --set width=32"),
        ({"width": Int(32, 64)}, r"trained with width=32, but .* width=64"),
        ({"activation": Fixed("relu")}, r"activation=leaky_relu \(slope=0.1\), but .* activation=relu; use --set"),
        ({"activation": Categorical("leaky_relu", "relu")}, r"but this space may give activation=relu"),
        ({"normalization": Fixed("batch_norm")}, r"normalization=none, but .* normalization=batch_norm"),
        ({"input_norm": Fixed("layer_norm")}, r"input_norm=None, but .* input_norm=layer_norm; use --set input_norm="),
        (
            {"reuse": _reuse(layers=Int(1, 4)), "depth": Fixed(6)},
            r"layers=4 stages, but source 'eight' has 3; use --set",
        ),
    ],
)
def test_a_space_that_may_give_another_form_is_refused_with_both_sides(
    domains: dict[str, Domain], sentence: str
) -> None:
    with pytest.raises(ObjectiveError, match=sentence):
        _check(_space(**domains), _source())


def test_another_slope_is_another_form() -> None:
    with pytest.raises(ObjectiveError, match=r"slope=0.3.*slope=0.1"):
        _check(_space(), _source(configuration={"activation": {"name": "leaky_relu", "slope": 0.3}}))


def test_recipes_keep_what_does_not_fit_apart() -> None:
    """Networks from chance may have any width where only those that transfer must have the source's."""
    recipes = Categorical(
        {
            "chance": Space(reuse=Fixed("none"), width=Int(16, 512)),
            "transfer": Space(reuse=_transfer(), width=Fixed(32)),
        },
        inline=True,
    )
    apart = Space({name: domain for name, domain in _space().domains.items() if name not in ("width", "reuse")})
    _check(apart.replace(way=recipes), _source())
    assert list_sources(apart.replace(way=recipes)) == ["eight"]


@pytest.mark.parametrize(
    ("model", "source", "sentence"),
    [
        ("cnn", "mlp", "'eight' trained mlp, but this objective trains cnn"),
        ("mlp", None, "'eight' trained its own network, but this objective trains mlp"),
        (None, "mlp", "'eight' trained mlp, but this objective trains its own network"),
        (None, None, "'eight' trained its own network"),
    ],
)
def test_only_networks_of_one_model_share_stages(model: str | None, source: str | None, sentence: str) -> None:
    with pytest.raises(ObjectiveError, match=sentence):
        _check(_space(), _source(model=source), model)


def test_where_blocks_pool_depends_on_how_many_there_are() -> None:
    configuration = {"depth": 6, "width": 32, "pool_rounds": 2}
    given = _source(model="cnn", configuration=configuration)
    space = _space(pool_rounds=Fixed(2), normalization=Fixed("batch_norm"))
    with pytest.raises(ObjectiveError, match="trained with depth=6, but this space may give depth=3"):
        _check(space, given, "cnn")
    _check(space.replace(depth=Fixed(6)), given, "cnn")


@pytest.mark.parametrize("name", ["transfer", "pretrain", "auxiliary"])
def test_no_more_stages_are_reused_than_the_smallest_network_has(name: str) -> None:
    reuse = choose(REUSES, "none", name, layers=Int(1, 3))
    check_layers(_space(reuse=reuse, depth=Int(3, 5)))
    with pytest.raises(ObjectiveError, match=rf"{name!r} may take layers=3 .*depth=2; use --set {name}\.layers=1:2"):
        check_layers(_space(reuse=reuse, depth=Int(2, 5)))


def test_every_source_is_named_once_and_one_is_needed() -> None:
    several = choose(REUSES, "none", "transfer", source=Categorical("one", "two"))
    assert list_sources(_space(reuse=several)) == ["one", "two"]
    assert list_sources(_space(reuse=choose(REUSES, "none", "pretrain"))) == []
    assert list_sources(Space()) == []
    for nameless in (_reuse(""), Fixed("transfer"), Categorical("none", "transfer")):
        with pytest.raises(ObjectiveError, match=r"'transfer' needs the name of a finished study; use --set source="):
            list_sources(_space(reuse=nameless))
