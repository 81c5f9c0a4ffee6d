"""Exports of a study: a table of its trials, its best configuration, its network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from search.api.scoring_process import run_in_process
from search.api.session import Session
from search.errors import UsageError
from search.export.outputs.task import Exported, ExportTask
from search.export.registry import get_format


def export(
    session: Session, name: str, path: Path | None, tell: Callable[[str], object], *, push_ready: bool = False
) -> Exported:
    """Export in the format of this name; a network is loaded in this process, which is sealed against test files then.

    path: the file or folder to write; None for the study's name with the format's ending, in the working folder.

    Raises:
        ObjectiveError: there is no such format.
        UsageError: only a model folder can be ready to push, or something else is at the path.
        NothingToDo: no trial has completed, or no network is kept.
        SearchError: the export failed; nothing is written then.
    """
    entry = get_format(name)
    if push_ready and name != "model":
        raise UsageError(f"--push-ready is about the folder of --format model, but got --format {name}; leave it out")
    task = ExportTask(
        database=session.database,
        view=session.view,
        settings=session.settings,
        objective=session.objective,
        path=path or Path(f"{session.record.name}{entry.ending}"),
        push_ready=push_ready,
        tell=tell,
    )
    return entry.write(task)


def export_for_program(session: Session, name: str, path: Path | None, tell: Callable[[str], object] | None) -> Path:
    """Do what `export` does, without a seal on this process; return the path.

    Raises:
        As `export`.
    """
    entry = get_format(name)
    if not entry.has_network:
        return Path(export(session, name, path, tell or _ignore).path)
    # The other process may have another working folder.
    work = partial(_export, name, (path or Path(f"{session.record.name}{entry.ending}")).absolute())
    done: Exported = run_in_process(session, work, session.settings, tell, "the export")
    return Path(done.path)


def _export(name: str, path: Path, session: Session, tell: Callable[[str], object]) -> Exported:
    return export(session, name, path, tell)


def _ignore(line: str) -> None:
    pass
