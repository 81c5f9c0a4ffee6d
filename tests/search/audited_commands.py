"""Do what commands do with a study whose stored values name a path, and tell what touched that path.

Run as a script with STORAGE STUDY PATH, where no other file has that file's name; prints one JSON document,
{value: [event, ...]}. A process of its own, because an audit hook cannot be removed, and the final step seals its
process. The storage is opened once for all commands.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from sqlalchemy import text

from search.api import studies
from search.evaluation.final_step import prepare_final_step
from search.evaluation.request import FinalRequest, FinalTask
from search.settings import Settings, load
from search.study import create, prior_studies
from search.study.plan import StudyRequest
from search.study.status import StudyView
from search.workers.checkpointing import CheckpointInterval, CheckpointManager
from storage import url
from storage.database import Database, open_database
from storage.records import checkpoints
from storage.records import studies as records
from storage.records.blob_stores import open_store

TOUCHING = ("open", "import", "exec", "ctypes.dlopen", "subprocess.Popen", "shutil.", "os.", "tempfile.", "glob.")
NAME_A_KEY = """
    INSERT INTO depthsearch.checkpoints (trial_id, study_id, epoch, key, sha256, size)
    SELECT trial_id, study_id, 1, :key, 'x', 1 FROM trials JOIN depthsearch.studies USING (study_id)
    WHERE name = :study AND number = 1
"""

Command = Callable[[Database, str, Settings], object]


def show(database: Database, study: str, _: Settings) -> object:
    """`search list` and `search status`."""
    return StudyView(database, study).status()


def train(database: Database, study: str, settings: Settings) -> object:
    """`search resume`, and what a worker reads before its first trial."""
    record, plan = create.resume_study(database, StudyRequest(study=study), settings)
    return prior_studies.build_setting(database.engine, plan, record.trials)


def score(database: Database, study: str, settings: Settings) -> object:
    """`search final`, as far as the retraining."""
    view, request = StudyView(database, study), FinalRequest(out=settings.home / "out")
    task = FinalTask(
        database=database, view=view, settings=settings, objective=None, request=request, tell=lambda line: None
    )
    return prepare_final_step(task, None)


def load_checkpoint(database: Database, study: str, settings: Settings) -> object:
    """A worker that takes a trial over, or finds the network of a finished one."""
    store, record = open_store(settings.checkpoint_place), records.get(database.engine, study)
    trial = next(iter(database.optuna.get_all_trials(record.study_id)[1:]))
    found = checkpoints.find(database.engine, trial._trial_id)
    assert found is not None
    return checkpoints.load(store, found)


def tidy(database: Database, study: str, settings: Settings) -> object:
    """A worker that removes checkpoints: those of earlier workers, and those of finished trials."""
    store, record = open_store(settings.checkpoint_place), records.get(database.engine, study)
    manager = CheckpointManager(
        database=database, store=store, record=record, interval=CheckpointInterval(0.02), best=0
    )
    manager.sweep()
    return manager.tidy()


def delete(database: Database, study: str, settings: Settings) -> object:
    """`search study`, which deletes one with its checkpoints."""
    return studies.delete_study(database, study, settings)


OF_THE_RECORD: tuple[Command, ...] = (show, train, score)
OF_CHECKPOINTS: tuple[Command, ...] = (load_checkpoint, tidy)


def main() -> None:
    """Change one stored value at a time, do what every command does, and put the value back."""
    storage, study, path = sys.argv[1:]
    touched: dict[str, list[str]] = {}
    seen: list[str] = []
    sys.addaudithook(lambda event, args: seen.append(event) if _touches(event, args, Path(path).name) else None)
    settings = load(storage=storage)
    # Otherwise a file of each installed package is opened every time, which is most of what all this takes.
    importlib.metadata.entry_points = cache(importlib.metadata.entry_points)
    with open_database(url.parse(storage)) as database:
        spec = dict(records.get(database.engine, study).spec)
        for command in OF_THE_RECORD:
            command(database, study, settings)  # reaches its end with the study as it is
        for where, changed in name_everywhere(spec, path):
            _store(database, study, changed)
            for command in OF_THE_RECORD:
                with suppress(Exception):
                    command(database, study, settings)
            touched[where], seen[:] = list(seen), []
        _store(database, study, spec)
        for command, key in product(OF_CHECKPOINTS, (path, Path(path).name)):
            with database.engine.begin() as connection:
                connection.execute(text("DELETE FROM depthsearch.checkpoints"))
                connection.execute(text(NAME_A_KEY), {"study": study, "key": key})
            with suppress(Exception):
                command(database, study, settings)
            touched[f"{command.__name__} {key}"], seen[:] = list(seen), []
        with database.engine.begin() as connection:
            connection.execute(text(NAME_A_KEY), {"study": study, "key": Path(path).name})
        with suppress(Exception):
            delete(database, study, settings)
        touched["delete"] = list(seen)
    print(json.dumps(touched))


def name_everywhere(value: Any, path: str, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every copy of a JSON value in which one text, or one name of a value, is the path."""
    if value is None or isinstance(value, str):
        yield where, path
    elif isinstance(value, list):
        yield f"{where}+", [*value, path]
        for number, each in enumerate(value[:2]):
            for deeper, changed in name_everywhere(each, path, f"{where}[{number}]"):
                yield deeper, [*value[:number], changed, *value[number + 1 :]]
    elif isinstance(value, dict) and where != "space":
        yield f"{where}.", {**value, path: 1}
        for name, each in value.items():
            for deeper, changed in name_everywhere(each, path, f"{where}.{name}" if where else name):
                yield deeper, {**value, name: changed}


def _touches(event: str, args: tuple[object, ...], name: str) -> bool:
    return event.startswith(TOUCHING) and any(name in str(arg) for arg in args if not isinstance(arg, dict))


def _store(database: Database, study: str, spec: Mapping[str, Any]) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE depthsearch.studies SET spec = CAST(:spec AS json) WHERE name = :study"),
            {"spec": json.dumps(spec), "study": study},
        )


if __name__ == "__main__":
    main()
