"""The application: every command's name and flags; commands import what they need when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.cli import options
from search.cli.guarded import guarded

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hyperparameter search for deep networks, with a test set that stays sealed until the end.",
)


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
) -> None:
    """Flags of every command."""
    from search.logs import configure

    configure(debug)


@app.command()
def run(
    study: options.AnyStudy = None,
    objective: options.Objective = None,
    trials: options.Trials = None,
    epochs: options.Epochs = None,
    timeout: options.Timeout = None,
    workers: options.Workers = None,
    device: options.Device = None,
    seed: options.Seed = None,
    data: options.Data = None,
    train_examples: options.TrainExamples = None,
    sampler: options.Sampler = None,
    pruner: options.Pruner = None,
    set_: options.Set = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Create or continue a study; train pruned trials on every device here."""
    from search.commands.run import named, run_study
    from search.plan import Request
    from search.settings import load

    request = Request(
        study=named(study, objective),
        objective=objective,
        trials=trials,
        timeout=timeout,
        epochs=epochs,
        seed=seed,
        train_examples=train_examples,
        sampler=sampler,
        pruner=pruner,
        overrides=None if set_ is None else tuple(set_),
    )
    settings = load(storage=storage, data=data, workers=workers, device=device)
    run_study(request, settings, create=True, as_json=json)


@app.command()
def resume(
    study: options.Study,
    objective: options.Objective = None,
    trials: options.Trials = None,
    timeout: options.Timeout = None,
    workers: options.Workers = None,
    device: options.Device = None,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Continue a study that exists; never create one."""
    from search.commands.run import run_study
    from search.plan import Request
    from search.settings import load

    request = Request(study=study, objective=objective, trials=trials, timeout=timeout)
    settings = load(storage=storage, data=data, workers=workers, device=device)
    run_study(request, settings, create=False, as_json=json)


@app.command()
def worker(
    study: options.Study,
    objective: options.Objective = None,
    workers: options.Workers = None,
    device: options.Device = None,
    data: options.Data = None,
    storage: options.Storage = None,
) -> None:
    """Lend this machine to a study that runs elsewhere."""
    from search.commands.run import lend
    from search.plan import Request
    from search.settings import load

    settings = load(storage=storage, data=data, workers=workers, device=device)
    lend(Request(study=study, objective=objective), settings)


@app.command()
def stop(study: options.Study, storage: options.Storage = None) -> None:
    """End a study's workers everywhere after their present epoch; `run` or `resume` continues."""
    from search.commands.stop import stop_study
    from search.settings import load

    stop_study(study, load(storage=storage))


@app.command()
def status(study: options.Study, storage: options.Storage = None, json: options.Json = False) -> None:
    """Show a study's trials, budget, workers and best configuration."""
    from search.commands.status import show_status
    from search.settings import load

    show_status(study, load(storage=storage), as_json=json)


@app.command("list")
def list_(storage: options.Storage = None, json: options.Json = False) -> None:
    """List the studies in the storage."""
    from search.commands.status import list_studies
    from search.settings import load

    list_studies(load(storage=storage), as_json=json)


@app.command()
def final(
    study: options.Study,
    objective: options.Objective = None,
    device: options.Device = None,
    data: options.Data = None,
    out: options.Out = None,
    variant: options.Variant = None,
    measure: options.Measure = False,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Retrain the winner on train + validation; score it once on the held-out test set."""
    from search.commands.final import final_step
    from search.settings import load

    settings = load(storage=storage, data=data, device=device)
    final_step(
        study,
        objective,
        settings,
        out or Path("results") / study,
        variants=tuple(variant or ()),
        measure=measure,
        as_json=json,
    )


@app.command()
def dashboard(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but loopback wants a password.")
    ] = "127.0.0.1",
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


@app.command()
def storage(
    action: Annotated[
        str, typer.Argument(help="show, start, stop, backup, restore or copy.", metavar="[ACTION]")
    ] = "show",
    file: Annotated[Path | None, typer.Option(help="File to back up to or restore from.")] = None,
    study: options.AnyStudy = None,
    to: Annotated[str | None, typer.Option(help="URL to copy the study to.", metavar="URL")] = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Where studies are kept: show it, start or stop the embedded server, back up, copy a study."""
    from search.commands.storage import storage_action
    from search.settings import load

    storage_action(action, load(storage=storage), file=file, study=study, to=to, as_json=json)


@app.command()
def space(
    study: options.AnyStudy = None,
    objective: options.Objective = None,
    set_: options.Set = None,
    catalogue: Annotated[bool, typer.Option(help="Everything that a study can search over.")] = False,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Show what a study, or an objective, searches over, or could."""
    if catalogue:
        from search.commands.catalogue import show_catalogue

        show_catalogue(as_json=json)
        return
    from search.commands.space import show_space
    from search.settings import load

    show_space(study, objective, tuple(set_ or ()), lambda: load(storage=storage), as_json=json)


@app.command()
def data(
    name: Annotated[str | None, typer.Argument(help="Data set to prepare; without one, list all.")] = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List the data sets, or download and decode one."""
    from search.commands.data import show_data
    from search.settings import load

    show_data(name, load(data=data), as_json=json)


@app.command()
def doctor(data: options.Data = None, storage: options.Storage = None, json: options.Json = False) -> None:
    """Check the installation, storage, data and devices; say what to do."""
    from search.commands.doctor import examine
    from search.settings import load

    examine(load(storage=storage, data=data), as_json=json, url_in_flag=storage)


def main() -> int:
    """Run the command line and return its exit code."""
    return guarded(app)
