"""The commands that show and score what was found; each imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.cli import options


def status(study: options.Study, storage: options.Storage = None, json: options.Json = False) -> None:
    """Show a study's trials, budget, workers and best configuration."""
    from search.commands.status import show_status
    from search.settings import load

    show_status(study, load(storage=storage), as_json=json)


def list_(storage: options.Storage = None, json: options.Json = False) -> None:
    """List the studies in the storage."""
    from search.commands.status import list_studies
    from search.settings import load

    list_studies(load(storage=storage), as_json=json)


def final(
    study: options.Study,
    objective: options.Objective = None,
    device: options.Device = None,
    data: options.Data = None,
    out: options.Out = None,
    variant: options.Variant = None,
    measure: options.Measure = False,
    confirm: options.Confirm = None,
    confirm_seeds: options.ConfirmSeeds = None,
    reopen: options.Reopen = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Retrain the winner on train + validation; score it once on the held-out test set."""
    from search.commands.final import run_final
    from search.settings import load

    settings = load(storage=storage, data=data, device=device)
    run_final(
        study,
        objective,
        settings,
        out or Path("results") / study,
        variants=tuple(variant or ()),
        measure=measure,
        confirm=confirm,
        confirm_seeds=confirm_seeds,
        reopen=reopen,
        as_json=json,
    )


def dashboard(
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback wants a password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8080,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password. Default: SEARCH_DASHBOARD_PASSWORD.")
    ] = None,
    writable: Annotated[bool, typer.Option(help="Let the browser change notes and studies.")] = False,
    storage: options.Storage = None,
) -> None:
    """Browse the studies in a web browser (optuna-dashboard)."""
    from search.commands.dashboard import serve
    from search.settings import load

    serve(load(storage=storage), host, port, password_file, writable=writable)
