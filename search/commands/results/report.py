"""`search report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command

Folder = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Folder for report.html, .md or .json. Default: results/<study>.", metavar="DIR"),
]
Format = Annotated[
    str, typer.Option("--format", help="html: one page with plots; md: texts and tables; json: the numbers.")
]
Compare = Annotated[
    str | None,
    typer.Option(
        help="Set several studies side by side instead, in comparison.html. Default folder: results.", metavar="S1,S2"
    ),
]


def report(
    study: options.AnyStudy = None,
    out: Folder = None,
    compare: Compare = None,
    format: Format = "html",
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Write a study's report: best configuration, plots, warnings, cost, all that repeating it needs."""
    from search.api import reports
    from search.commands.settings import load_settings
    from search.display.output import print_json, say

    request = reports.ReportRequest.parse(study, compare, out, format)
    settings = load_settings(storage=storage)
    if json:
        print_json(reports.describe(request, settings))
        return
    reports.write(request, settings)
    say(f"the report is in {request.path}")


COMMAND = Command(name="report", order=135, run=report)
