"""The networks of finished studies, and the files of weights, that a study's trials reuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from objectives.core.objective import Objective
from objectives.models.config import ImageShape
from objectives.reuse.compatibility import check_layers, check_source, list_files, list_sources
from objectives.reuse.context import Source, key_of_file
from objectives.reuse.trained_network import TrainedNetwork
from objectives.reuse.weights_file import find_weights_file
from search.errors import NothingToDo
from search.study.spec import StudySpec
from spaces.suggestions import suggest
from storage.errors import UnknownStudy, format_command
from storage.records import networks


def bind_sources(
    engine: Engine, spec: StudySpec, objective: Objective, image_shape: ImageShape, data: Path
) -> StudySpec:
    """Return a new study's record with the hashes of what its trials reuse, so that nothing can replace it later.

    data: the data folder, to which the names of files of weights may be relative.

    Raises:
        NothingToDo: a source has no network in the storage.
        ObjectiveError: a source's network does not fit the networks of the objective's space; or a file of weights is
            missing or is none.
    """
    if objective.train is None:
        check_layers(objective.space)
    found = _load(engine, objective, data)
    for source in found.values():
        if not isinstance(source, TrainedNetwork):
            continue  # the tensors' names and shapes tell, in a worker, which may run the objective's own code
        check_source(objective.model, objective.network, objective.space, source)
        source.check_images(image_shape)
    return replace(spec, sources=_hashes(found))


def fetch_sources(engine: Engine, study: str, spec: StudySpec, objective: Objective, data: Path) -> dict[str, Source]:
    """Return the networks and files of weights that the study was created to reuse, as `ReuseContext` names them.

    data: as for `bind_sources`.

    Raises:
        NothingToDo: a network is no longer in the storage.
        UsageError: another network or file has its name now.
        ObjectiveError: a file of weights is missing or is none.
    """
    found = _load(engine, objective, data)
    spec.check_same(study, replace(spec, sources=_hashes(found)))
    return found


def _load(engine: Engine, objective: Objective, data: Path) -> dict[str, Source]:
    if objective.train is not None:  # what a space means to a user's own training is the user's business
        return {}
    networks_found = {name: _read_network(engine, name) for name in list_sources(objective.space)}
    return {
        **networks_found,
        **{key_of_file(name): find_weights_file(name, data) for name in list_files(objective.space)},
    }


def _read_network(engine: Engine, study: str) -> TrainedNetwork:
    hint = ""
    try:
        kept = networks.find_for_study(engine, study)
    except UnknownStudy as error:
        kept = None
        suggestion = suggest(error.name, error.known)
        hint = f" ({suggestion})" if suggestion else ""
    if kept is None:
        raise NothingToDo(
            f"study {study!r} has no final network here{hint}; train it with "
            f"`{format_command('run', '--study', study)}` and `{format_command('final', '--study', study)}`"
        )
    channels, height, width = kept.description["image_shape"]
    return TrainedNetwork(
        name=study,
        sha256=kept.sha256,
        model=kept.description["model"],
        configuration=kept.description["configuration"],
        image_shape=(channels, height, width),
        classes=tuple(kept.description["classes"]),
        weights=kept.weights,
    )


def _hashes(found: dict[str, Source]) -> dict[str, str]:
    return {name: network.sha256 for name, network in found.items()}
