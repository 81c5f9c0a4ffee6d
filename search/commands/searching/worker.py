"""`search worker`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command


def worker(
    study: options.Study,
    objective: options.Objective = None,
    workers: options.Workers = None,
    device: options.Device = None,
    data: options.Data = None,
    storage: options.Storage = None,
) -> None:
    """Add this machine to a study that runs elsewhere, within the budget that `run` or `resume` gave it."""
    from search.commands.settings import load_settings
    from search.display.live.run_report import add_machine
    from search.study.plan import StudyRequest

    settings = load_settings(storage=storage, data=data, workers=workers, device=device)
    add_machine(StudyRequest(study=study, objective=objective), settings)


COMMAND = Command(name="worker", order=30, run=worker)
