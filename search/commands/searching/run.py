"""`search run`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command
from search.commands.study_options import accept_study_options, name_study
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
    priority: options.Priority = None,
    workers: options.Workers = None,
    workers_per_device: options.WorkersPerDevice = None,
    device: options.Device = None,
    engine: options.Engine = "local",
    address: options.Address = None,
    gpus_per_worker: options.GpusPerWorker = None,
    cpus_per_worker: options.CpusPerWorker = None,
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
    from search.workers.engines.placement import Placement

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
    settings = load_settings(
        storage=storage, data=data, workers=workers, workers_per_device=workers_per_device, device=device
    )
    run_study(
        request,
        settings,
        create=True,
        as_json=json,
        placement=Placement(
            engine=engine, address=address, gpus_per_worker=gpus_per_worker, cpus_per_worker=cpus_per_worker
        ),
        trackers=read_names(track, settings.track),
        on_end=parse_command(on_end),
    )


COMMAND = Command(name="run", order=10, run=run)
