"""The best configuration as a TOML file, from which `--set` makes the same one again."""

from __future__ import annotations

from search.errors import NothingToDo
from search.export.outputs.task import MARK, Exported, ExportTask
from search.export.outputs.toml import quote, write_value
from search.export.outputs.writing import write_export
from search.study.status_types import BestTrial
from spaces import Scalar
from storage.errors import format_command


def write_configuration(task: ExportTask) -> Exported:
    """Write the configuration of the study's best trial.

    Raises:
        NothingToDo: no trial has completed.
        SearchError: the file cannot be written, or something else is there.
    """
    name = task.view.record.name
    best = task.view.status().best
    if best is None:
        raise NothingToDo(
            f"study {name!r} has no completed trial; train some with `{format_command('run', '--study', name)}`"
        )
    with write_export(task.path, MARK.encode()) as partial:
        partial.write_text(format_configuration_file(name, task.view.spec.objective, best), encoding="utf-8")
    size = task.path.stat().st_size
    return Exported(study=name, format="config.toml", path=str(task.path), size=size, trial=best.trial)


def format_configuration_file(study: str, objective: str, best: BestTrial) -> str:
    """Return the file's text; each entry of `set` is a value for `--set`, each of `parameters` the value itself."""
    values = [f"{name}={format_text(value)}" for name, value in best.params.items()]
    listed = "\n".join(f"    {quote(value)}," for value in values)
    parameters = "\n".join(
        f"{quote(name)} = {write_value('none' if value is None else value)}" for name, value in best.params.items()
    )
    return f"""# {MARK}: the best configuration of a study.
# Each entry of `set` is a value for --set, of `search try` (train it in a study of this space)
# and of `search run` (fix it in the space of a new study).

study = {quote(study)}
objective = {quote(objective)}
trial = {best.trial}
validation_accuracy = {best.value!r}
set = [
{listed}
]

[parameters]
{parameters}
"""


def format_text(value: Scalar) -> str:
    """Return a value as `--set NAME=VALUE` reads it."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
