"""`search deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.api.setup.deploy.targets import TARGETS
from search.commands import options
from search.commands.command import Command


def deploy(
    target: Annotated[str, typer.Argument(help=f"{', '.join(TARGETS)}.", metavar="TARGET")],
    study: options.Study,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What the study trains, as the workers' machines know it: a name, or a path.", metavar="NAME|PATH"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Jobs, each with a worker per GPU; for compose, processes on its machine.", metavar="N"),
    ] = None,
    gpus: Annotated[int, typer.Option(help="GPUs of each job; 0 for the CPU.", metavar="G")] = 1,
    gpu_type: Annotated[
        str | None,
        typer.Option("--gpu-type", help="Their kind, as the target calls it. SkyPilot: A100.", metavar="KIND"),
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(help="CPU cores of each job. Default: 4 for each GPU.", metavar="C")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="Memory of each job.", metavar="16G")] = None,
    data: Annotated[
        str | None, typer.Option(help="Folder of data sets, as the workers' machines know it.", metavar="DIR")
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            help="Place of checkpoints that all workers share: a folder, or s3://bucket/prefix.", metavar="PLACE"
        ),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Slurm: time limit of a job.", metavar="24:00:00")] = None,
    partition: Annotated[str | None, typer.Option(help="Slurm: partition.", metavar="NAME")] = None,
    account: Annotated[str | None, typer.Option(help="Slurm: account.", metavar="NAME")] = None,
    password_file: Annotated[
        str | None,
        typer.Option("--password-file", help="Slurm: libpq's password file. Default: ~/.pgpass.", metavar="FILE"),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Image of the containers. Default: this version's.", metavar="IMAGE")
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="Kubernetes: the Secret with the key `password`. Default: depthsearch.", metavar="NAME"),
    ] = None,
    queue: Annotated[str | None, typer.Option(help="Kubernetes: Kueue's local queue.", metavar="NAME")] = None,
    claim: Annotated[
        str | None,
        typer.Option(help="Kubernetes: a shared volume's claim, with data/ and checkpoints/ in it.", metavar="NAME"),
    ] = None,
    package: Annotated[
        str | None, typer.Option(help="SkyPilot: what pip installs. Default: this version.", metavar="SPEC")
    ] = None,
    spot: Annotated[
        bool | None, typer.Option("--spot/--on-demand", help="SkyPilot: kind of machines. Default: spot.")
    ] = None,
    pool: Annotated[
        bool | None, typer.Option("--pool", help="SkyPilot: print the pool of machines instead of the job.")
    ] = None,
    storage: options.Storage = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the file there instead of printing it.", metavar="FILE")
    ] = None,
) -> None:
    """Print the file with which Slurm, Kubernetes, SkyPilot or Docker Compose starts a study's workers."""
    from search.api.setup.deploy.printing import print_deployment
    from search.api.setup.deploy.request import DeployRequest
    from search.commands.settings import load_settings
    from search.display.output import note
    from search.errors.unwritable import refuse_unwritable

    request = DeployRequest(
        study=study,
        storage=load_settings(storage=storage).storage,
        objective=objective,
        workers=workers,
        gpus=gpus,
        gpu_type=gpu_type,
        cpus=cpus,
        memory=memory,
        data=data,
        checkpoints=checkpoints,
        time=time,
        partition=partition,
        account=account,
        password_file=password_file,
        image=image,
        secret=secret,
        queue=queue,
        claim=claim,
        package=package,
        spot=spot,
        pool=pool,
    )
    printed = print_deployment(target, request)
    for text in printed.notes:
        note(f"note: {text}")
    if out is None:
        print(printed.text, end="")
        return
    with refuse_unwritable(out, "file", flag="--out"):
        out.write_text(printed.text)
    note(f"wrote {out}")


COMMAND = Command(name="deploy", order=207, run=deploy)
