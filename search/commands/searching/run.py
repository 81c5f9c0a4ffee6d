"""`search run`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command
from search.commands.study_options import accept_study_options
from search.study.options import StudyOptions


@accept_study_options
def run(
    *,
    study: options.AnyStudy = None,
    objective: options.Objective = None,
    trials: options.Trials = None,
    budget: options.Budget = None,
    timeout: options.Timeout = None,
    kept: StudyOptions[None],
    experience: options.Experience = None,
    set_: options.Set = None,
    fork: options.Fork = None,
    workers: options.Workers = None,
    device: options.Device = None,
    data: options.Data = None,
    track: options.Track = None,
    on_end: options.OnEnd = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Create or continue a study; train pruned trials on every device here."""
    from search.commands.settings import load_settings
    from search.display.live.run_report import run_study
    from search.export.trackers.on_end import parse_command
    from search.export.trackers.registry import read_names
    from search.study.plan import StudyRequest

    request = StudyRequest(
        **vars(kept),
        study=_name(study, objective),
        objective=objective,
        trials=trials,
        budget=budget,
        timeout=timeout,
        experience=experience,
        overrides=None if set_ is None else tuple(set_),
        fork=fork,
    )
    settings = load_settings(storage=storage, data=data, workers=workers, device=device)
    run_study(
        request,
        settings,
        create=True,
        as_json=json,
        trackers=read_names(track, settings.track),
        on_end=parse_command(on_end),
    )


def _name(study: str | None, objective: str | None) -> str:
    """Return the study's name: the given one, or the objective's.

    Raises:
        UsageError: neither is given.
    """
    from pathlib import Path

    from objectives.discovery import is_path
    from search.errors import UsageError

    if study is not None:
        return study
    if objective is None:
        raise UsageError("no study is named; give --study NAME (see `search list` and `search space`)")
    return Path(objective).stem.replace("_", "-") if is_path(objective) else objective


COMMAND = Command(name="run", order=10, run=run)
