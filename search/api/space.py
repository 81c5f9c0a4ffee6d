"""`space`: what a study or an objective searches over."""

from __future__ import annotations

from collections.abc import Callable

from objectives.discovery import find_objective, objective_names
from search.connection import open_storage
from search.display.output import document, say, table
from search.settings import Settings
from search.study.spec import StudySpec
from spaces import override
from storage.embedded.server import EmbeddedServer
from storage.errors import UnknownStudy
from storage.records import studies


def show_space(
    study: str | None,
    objective: str | None,
    overrides: tuple[str, ...],
    settings: Callable[[], Settings],
    *,
    as_json: bool,
) -> None:
    """Print a space: a stored study's, or the one that an objective has with these overrides.

    A name that is both a study's and an objective's means the study, which may have been changed with --set.
    """
    if study is None and objective is None:
        _show_objectives(as_json=as_json)
        return
    rows, digest = _space(study, objective, overrides, settings)
    if as_json:
        keys = ("name", "range", "condition")
        document({"digest": digest, "space": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    table(("parameter", "range", "only where"), rows)
    say(f"digest {digest[:12]}")


def _space(
    study: str | None,
    objective: str | None,
    overrides: tuple[str, ...],
    settings: Callable[[], Settings],
) -> tuple[list[tuple[str, ...]], str]:
    if objective is None and study is not None and not overrides:
        stored = _stored(study, settings())
        if stored is not None:
            return stored
    space = override(find_objective(objective or study or "").objective.space, overrides)
    return [tuple(row) for row in space.describe()], space.digest


def _stored(study: str, settings: Settings) -> tuple[list[tuple[str, ...]], str] | None:
    """The space that a study was created with; None where no such study is kept."""
    if settings.storage is None and not EmbeddedServer(settings.home).is_initialized:
        return None
    with open_storage(settings) as database:
        try:
            spec = StudySpec.from_json(studies.get(database.engine, study).spec)
        except UnknownStudy:
            return None
    return [tuple(row) for row in spec.read_space().describe()], spec.space_digest


def _show_objectives(*, as_json: bool) -> None:
    found = [(name, find_objective(name).objective) for name in objective_names()]
    if as_json:
        document([{"objective": name, "description": it.description, "data": it.data} for name, it in found])
        return
    table(
        ("objective", "data", "epochs", "trials", "what is searched"),
        [(name, it.data, it.epochs, it.trials, it.description) for name, it in found],
    )
