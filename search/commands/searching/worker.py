"""`search worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def worker(
    study: Annotated[
        str | None,
        typer.Option("--study", help="Name of the study. Default: every open study of the storage.", metavar="NAME"),
    ] = None,
    objective: options.Objective = None,
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow",
            help="Without --study: an objective's file that may be run, beside installed objectives. Repeatable.",
            metavar="PATH",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Without --study: end when no study is left, and wait for none.")
    ] = False,
    workers: options.Workers = None,
    workers_per_device: options.WorkersPerDevice = None,
    device: options.Device = None,
    engine: options.Engine = "local",
    address: options.Address = None,
    gpus_per_worker: options.GpusPerWorker = None,
    cpus_per_worker: options.CpusPerWorker = None,
    data: options.Data = None,
    storage: options.Storage = None,
) -> None:
    """Add this machine to a study that runs elsewhere, or let it serve every open study of the storage."""
    from search.commands.settings import load_settings
    from search.display.live.run_report import add_machine, serve
    from search.errors import UsageError
    from search.study.plan import StudyRequest
    from search.workers.engines.placement import Placement, check_local

    settings = load_settings(
        storage=storage, data=data, workers=workers, workers_per_device=workers_per_device, device=device
    )
    placement = Placement(
        engine=engine, address=address, gpus_per_worker=gpus_per_worker, cpus_per_worker=cpus_per_worker
    )
    if study is None:
        if objective is not None:
            raise UsageError(
                "--objective goes with --study; files that may be run for any study are given with --allow"
            )
        if engine == "ray":
            raise UsageError("--engine ray goes with --study; a worker that serves every study runs on this machine")
        check_local(placement)
        serve(settings, allow or [], once=once)
        return
    if allow or once:
        raise UsageError("--allow and --once are for a worker that serves every study; leave them or --study out")
    add_machine(StudyRequest(study=study, objective=objective), settings, placement)


COMMAND = Command(name="worker", order=30, run=worker)
