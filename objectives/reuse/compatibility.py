"""Checks that a space's networks can take over a source's stages, made before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice
from objectives.models.catalogue import ModelEntry
from objectives.reuse.trained_network import TrainedNetwork
from spaces import Choice, Configuration, Space, corners

# Fields that may differ between a source and the network that reuses it: the number of stages, and what only matters
# while the stages are trained.
_MAY_DIFFER = {
    "depth",
    "initializer",
    "biases",
    "output_scale",
    "dropout",
    "dropout_layers",
    "input_dropout",
    "alpha_dropout",
}


def list_sources(space: Space) -> list[str]:
    """Return the studies whose networks a space may transfer from.

    Raises:
        ObjectiveError: the space may transfer, but names no source.
    """
    found = [choice.options.get("source", "") for choice, _ in _list_reuses(space) if choice.name == "transfer"]
    if "" in found:
        raise ObjectiveError(
            "reuse 'transfer' needs the name of a finished study; use --set source=NAME, or "
            "choose(REUSES, 'transfer', source=Fixed('NAME')) in the objective"
        )
    return list(dict.fromkeys(found))


def list_files(space: Space) -> list[str]:
    """Return the files of weights that a space may load stages from, as it names them.

    Raises:
        ObjectiveError: the space may load from a file, but names none.
    """
    found = [choice.options.get("file", "") for choice, _ in _list_reuses(space, "file") if choice.name == "file"]
    if "" in found:
        raise ObjectiveError(
            "reuse 'file' needs a file of weights; use --set file=PATH (absolute, or relative to the data folder), or "
            "choose(REUSES, 'file', file=Fixed('PATH')) in the objective"
        )
    return list(dict.fromkeys(found))


def check_layers(space: Space) -> None:
    """Raise `ObjectiveError` if a space may reuse more stages than its network has; the message has both numbers."""
    for choice, corner in _list_reuses(space, "depth"):
        layers, depth = choice.options.get("layers", 0), corner.get("depth", 0)
        if depth and layers > depth:
            raise ObjectiveError(
                f"reuse {choice.name!r} may take layers={layers} stages, but the space's networks may have only "
                f"depth={depth}; use --set {choice.name}.layers={_format_range(depth)}, or a larger depth"
            )


def check_source(model: str | None, network: ModelEntry | None, space: Space, source: TrainedNetwork) -> None:
    """Raise `ObjectiveError` unless a source's stages fit every network of the space.

    model, network: the name and the entry of the objective's network; None if the objective supplies its own. The
    message names the field and both values.
    """
    if network is None or source.model != model:
        raise ObjectiveError(
            f"source {source.name!r} trained {source.model or 'its own network'}, but this objective trains "
            f"{model or 'its own network'}; take a source with the same model of MODELS"
        )
    defaults = {field.name: field.default for field in fields(network.config)}
    # A convolutional network pools after blocks that depend on how many there are.
    may_differ = _MAY_DIFFER - {"depth"} if "pool_rounds" in defaults else _MAY_DIFFER
    for name, default in defaults.items():
        if name not in may_differ:
            _check_field(name, None if default is MISSING else default, space, source)
    depth = int(source.configuration["depth"])
    for choice, _ in _list_transfers(space, source):
        if choice.options.get("layers", 1) > depth:
            raise ObjectiveError(
                f"reuse 'transfer' may take layers={choice.options['layers']} stages, but source {source.name!r} "
                f"has {depth}; use --set transfer.layers={_format_range(depth)}"
            )


def _check_field(name: str, default: object, space: Space, source: TrainedNetwork) -> None:
    theirs = _to_options(source.configuration.get(name, default))
    for _, corner in _list_transfers(space, source, name):
        ours = _to_options(corner.get(name, default))
        # An option that only one side names has its default value on the other.
        if any(theirs.get(key, value) != value for key, value in ours.items()):
            raise ObjectiveError(
                f"source {source.name!r} was trained with {_format_options(name, theirs)}, but this space may give "
                f"{_format_options(name, ours)}; use --set {name}={theirs['name']}, or take another source"
            )


def _list_transfers(space: Space, source: TrainedNetwork, *names: str) -> Iterator[tuple[Choice, Configuration]]:
    """Yield every transfer from this source that a space may give, with the corners of these names."""
    for choice, corner in _list_reuses(space, *names):
        if choice.name == "transfer" and choice.options.get("source") == source.name:
            yield choice, corner


def _list_reuses(space: Space, *names: str) -> Iterator[tuple[Choice, Configuration]]:
    """Yield every way to reuse that a space may give, with the corners of these names."""
    for corner in corners(space, {"reuse", *names}):
        if "reuse" in corner:
            yield as_choice(corner["reuse"]), corner


def _to_options(value: Any) -> dict[str, Any]:
    """Return a configuration's value, stored or not, as a name with options."""
    if isinstance(value, Choice):
        return {"name": value.name, **value.options}
    return dict(value) if isinstance(value, Mapping) else {"name": value}


def _format_options(name: str, value: Mapping[str, Any]) -> str:
    options = ", ".join(f"{key}={option}" for key, option in value.items() if key != "name")
    return f"{name}={value['name']}" + (f" ({options})" if options else "")


def _format_range(layers: int) -> str:
    return "1" if layers == 1 else f"1:{layers}"
