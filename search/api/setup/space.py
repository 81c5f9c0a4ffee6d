"""What a study or an objective searches over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from objectives.core.overriding import override_objective
from objectives.discovery import find_objective, objective_names
from search.connection import open_storage
from search.settings import Settings
from search.study.spec import StudySpec
from storage.embedded.server import EmbeddedServer
from storage.errors import UnknownStudy
from storage.records import studies


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a space as text."""

    name: str
    range: str
    condition: str
    """The choice under which it exists, such as `optimizer = nesterov`; empty if it always does."""


@dataclass(frozen=True, kw_only=True)
class SpaceDescription:
    """A space as text, and its digest."""

    digest: str
    """SHA-256; equal for equal spaces only."""
    space: tuple[Parameter, ...]

    def to_json(self) -> dict[str, object]:
        """Return the document that `search space --study NAME --json` prints."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ObjectiveRow:
    """A shipped or installed objective."""

    objective: str
    description: str
    data: str
    epochs: int
    trials: int

    def to_json(self) -> dict[str, object]:
        """Return an entry of the list that `search space --json` prints."""
        return {"objective": self.objective, "description": self.description, "data": self.data}


def list_objectives() -> tuple[ObjectiveRow, ...]:
    """Return every objective that a study can name."""
    found = [(name, find_objective(name).objective) for name in objective_names()]
    return tuple(
        ObjectiveRow(objective=name, description=it.description, data=it.data, epochs=it.epochs, trials=it.trials)
        for name, it in found
    )


def describe_space(
    study: str | None, objective: str | None, overrides: tuple[str, ...], settings: Callable[[], Settings]
) -> SpaceDescription:
    """Return the space of a stored study, or the one that an objective has with these overrides.

    A name that is both a study's and an objective's means the study, which may have been created with overrides.

    Raises:
        ObjectiveError, SpaceError: there is no such objective, or an override breaks a rule.
    """
    if objective is None and study is not None and not overrides:
        stored = _read_stored(study, settings())
        if stored is not None:
            return stored
    space = override_objective(find_objective(objective or study or "").objective, overrides).space
    return _describe(space.describe(), space.digest)


def _read_stored(study: str, settings: Settings) -> SpaceDescription | None:
    """Return the space that a study was created with; None if there is no such study."""
    if settings.storage is None and not EmbeddedServer(settings.home).is_initialized:
        return None
    with open_storage(settings) as database:
        try:
            spec = StudySpec.from_json(studies.get(database.engine, study).spec)
        except UnknownStudy:
            return None
    return _describe(spec.read_space().describe(), spec.space_digest)


def _describe(rows: list[tuple[str, str, str]], digest: str) -> SpaceDescription:
    return SpaceDescription(
        digest=digest,
        space=tuple(Parameter(name=name, range=text, condition=condition) for name, text, condition in rows),
    )
