"""`search export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command
from search.export.registry import FORMATS

Kind = Annotated[str, typer.Option("--format", help=f"What to write: {', '.join(FORMATS)}.", metavar="FORMAT")]
To = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", help="File or folder to write. Default: the study's name with an ending.", metavar="PATH"
    ),
]
PushReady = Annotated[
    bool,
    typer.Option("--push-ready", help="Make the folder of --format model ready for the Hugging Face Hub; no upload."),
]


def export(
    study: options.Study,
    format_: Kind,
    out: To = None,
    push_ready: PushReady = False,
    objective: options.Objective = None,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Export a study: its trials as a table, its best configuration, its network."""
    from contextlib import closing

    from search.api.exporting import export as export_study
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.exporting.export_report import show_exported
    from search.display.output import note, present

    settings = load_settings(storage=storage, data=data)
    with closing(open_session(study, settings, objective)) as session:
        done = export_study(session, format_, out, note, push_ready=push_ready)
    present(done, show_exported, as_json=json)


COMMAND = Command(name="export", order=150, run=export)
