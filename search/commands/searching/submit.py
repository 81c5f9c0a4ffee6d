"""`search submit`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command
from search.commands.study_options import accept_study_options, name_study
from search.study.options import StudyOptions


@accept_study_options
def submit(
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
    priority: options.Priority = None,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Create or continue a study for workers that serve every study, and return."""
    from search.commands.settings import load_settings
    from search.display.live.run_report import submit_study
    from search.study.plan import StudyRequest

    request = StudyRequest(
        **vars(kept),
        study=name_study(study, objective),
        objective=objective,
        trials=trials,
        budget=budget,
        timeout=timeout,
        experience=experience,
        overrides=None if set_ is None else tuple(set_),
        fork=fork,
        priority=priority,
    )
    settings = load_settings(storage=storage, data=data)
    submit_study(request, settings, as_json=json)


COMMAND = Command(name="submit", order=25, run=submit)
