"""The networks of finished studies that a study's trials reuse."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from objectives.core.objective import Objective
from objectives.models.config import ImageShape
from objectives.reuse.compatibility import check_layers, check_source, list_sources
from objectives.reuse.trained_network import TrainedNetwork
from search.errors import NothingToDo
from search.study.spec import StudySpec
from spaces.suggestions import suggest
from storage.errors import UnknownStudy, format_command
from storage.records import networks


def bind_sources(engine: Engine, spec: StudySpec, objective: Objective, image_shape: ImageShape) -> StudySpec:
    """Return a new study's record with the hashes of its sources' networks, so that no others can replace them later.

    Raises:
        NothingToDo: a source has no network in the storage.
        ObjectiveError: a source's network does not fit the networks of the objective's space.
    """
    if objective.train is None:
        check_layers(objective.space)
    found = _load(engine, objective)
    for source in found.values():
        check_source(objective.model, objective.network, objective.space, source)
        source.check_images(image_shape)
    return replace(spec, sources=_hashes(found))


def fetch_sources(engine: Engine, study: str, spec: StudySpec, objective: Objective) -> dict[str, TrainedNetwork]:
    """Return the networks that the study was created to reuse, by the names of their studies.

    Raises:
        NothingToDo: one is no longer in the storage.
        UsageError: another network has its name now.
    """
    found = _load(engine, objective)
    spec.check_same(study, replace(spec, sources=_hashes(found)))
    return found


def _load(engine: Engine, objective: Objective) -> dict[str, TrainedNetwork]:
    # What a space means to a user's own training is the user's business.
    names = list_sources(objective.space) if objective.train is None else []
    return {name: _read_network(engine, name) for name in names}


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


def _hashes(found: dict[str, TrainedNetwork]) -> dict[str, str]:
    return {name: network.sha256 for name, network in found.items()}
