"""`search run`."""

from __future__ import annotations

from search.commands import options
from search.commands.command import Command
from search.commands.study_options import RequestFlags, accept_request_flags


@accept_request_flags
def run(
    *,
    asked: RequestFlags,
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
    from search.workers.engines.placement import Placement

    request = asked.make_request()
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
