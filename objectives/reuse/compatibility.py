"""Whether a space's networks can take over stages at all: checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice
from objectives.models.catalogue import ModelEntry
from objectives.reuse.context import TrainedNetwork
from spaces import Choice, Configuration, Space, corners

# Fields that may differ between a source and the network that reuses it: how many stages there are, and what is
# over once the stages are trained.
_MAY_DIFFER = {"depth", "initializer", "output_scale", "dropout", "dropout_layers", "alpha_dropout"}


def list_sources(space: Space) -> list[str]:
    """The studies whose networks a space may transfer from.

    Raises:
        ObjectiveError: it transfers without saying from where.
    """
    found = [choice.options.get("source", "") for choice, _ in _reuses(space) if choice.name == "transfer"]
    if "" in found:
        raise ObjectiveError(
            "reuse 'transfer' needs the name of a finished study; --set source=NAME, or "
            "choose(REUSES, 'transfer', source=Fixed('NAME')) in the objective"
        )
    return list(dict.fromkeys(found))


def check_layers(space: Space) -> None:
    """Refuse a space that may reuse more stages than its network has.

    Raises:
        ObjectiveError: naming both numbers.
    """
    for choice, corner in _reuses(space, "depth"):
        layers, depth = choice.options.get("layers", 0), corner.get("depth", 0)
        if depth and layers > depth:
            raise ObjectiveError(
                f"reuse {choice.name!r} may take layers={layers} stages, but the space's networks may have only "
                f"depth={depth}; --set {choice.name}.layers={_up_to(depth)}, or a larger depth"
            )


def check_source(model: str | None, network: ModelEntry | None, space: Space, source: TrainedNetwork) -> None:
    """Refuse a source whose stages are not of the form of those that the space gives.

    model, network: the name and the entry of the objective's network; None where it brings its own.

    Raises:
        ObjectiveError: naming the field and both sides' values.
    """
    if network is None or source.model != model:
        raise ObjectiveError(
            f"source {source.name!r} trained {source.model or 'a network of its own'}, and this objective trains "
            f"{model or 'a network of its own'}; take a source with the same model of MODELS"
        )
    defaults = {field.name: field.default for field in fields(network.config)}
    # After which blocks a convolutional network pools depends on how many there are.
    may_differ = _MAY_DIFFER - {"depth"} if "pool_rounds" in defaults else _MAY_DIFFER
    for name, default in defaults.items():
        if name not in may_differ:
            _check_field(name, None if default is MISSING else default, space, source)
    depth = int(source.configuration["depth"])
    for choice, _ in _of_source(space, source):
        if choice.options.get("layers", 1) > depth:
            raise ObjectiveError(
                f"reuse 'transfer' may take layers={choice.options['layers']} stages, but source {source.name!r} "
                f"has {depth}; --set transfer.layers={_up_to(depth)}"
            )


def _check_field(name: str, default: object, space: Space, source: TrainedNetwork) -> None:
    theirs = _plain(source.configuration.get(name, default))
    for _, corner in _of_source(space, source, name):
        ours = _plain(corner.get(name, default))
        # An option that only one side names has its default there.
        if any(theirs.get(key, value) != value for key, value in ours.items()):
            raise ObjectiveError(
                f"source {source.name!r} was trained with {_shown(name, theirs)}, and this space may give "
                f"{_shown(name, ours)}; --set {name}={theirs['name']} makes them fit, or take another source"
            )


def _of_source(space: Space, source: TrainedNetwork, *names: str) -> Iterator[tuple[Choice, Configuration]]:
    for choice, corner in _reuses(space, *names):
        if choice.name == "transfer" and choice.options.get("source") == source.name:
            yield choice, corner


def _reuses(space: Space, *names: str) -> Iterator[tuple[Choice, Configuration]]:
    """Every way to reuse that a space may give, with the corners of these names beside it."""
    for corner in corners(space, {"reuse", *names}):
        if "reuse" in corner:
            yield as_choice(corner["reuse"]), corner


def _plain(value: Any) -> dict[str, Any]:
    """A value of a configuration, stored or not, as a name with options."""
    if isinstance(value, Choice):
        return {"name": value.name, **value.options}
    return dict(value) if isinstance(value, Mapping) else {"name": value}


def _shown(name: str, value: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key}={option}" for key, option in value.items() if key != "name")
    return f"{name}={value['name']}" + (f" ({options})" if options else "")


def _up_to(layers: int) -> str:
    return "1" if layers == 1 else f"1:{layers}"
