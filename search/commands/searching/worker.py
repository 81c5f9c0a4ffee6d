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
    """Lend this machine to a study that runs elsewhere."""
    from search.api.training import lend_machine
    from search.settings import load
    from search.study.plan import StudyRequest

    settings = load(storage=storage, data=data, workers=workers, device=device)
    lend_machine(StudyRequest(study=study, objective=objective), settings)


COMMAND = Command(name="worker", order=30, run=worker)
