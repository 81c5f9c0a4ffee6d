"""`search plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command
from search.report.plots.registry import PLOTS

Kind = Annotated[str, typer.Argument(help=f"What to draw: {', '.join(PLOTS)}.", metavar="KIND")]
Trial = Annotated[
    int | None,
    typer.Option("--trial", help="Number of the trial that `confusion` shows. Default: the best.", metavar="N"),
]
File = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help="File to write: .html, .json, or a picture (.png, .svg, .pdf). Default: <study>-<kind>.html.",
        metavar="FILE",
    ),
]


def plot(
    kind: Kind, study: options.Study, trial: Trial = None, out: File = None, storage: options.Storage = None
) -> None:
    """Draw a study: its history, curves, parameters, importances, timeline; or which classes a trial confuses."""
    from contextlib import closing

    from objectives.base.registry import look_up
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.output import say
    from search.report.plots.files import check_file, write_figure
    from search.report.plots.reading import read_plot_data
    from search.report.plots.registry import check_trial, draw

    entry = look_up(PLOTS, kind, "plot")
    check_trial(kind, trial)
    path = out or Path(f"{study}-{kind}.html")
    check_file(path)
    with closing(open_session(study, load_settings(storage=storage))) as session:
        figure = draw(kind, read_plot_data(session.database, session.view, trial))
    write_figure(figure, path)
    say(f"{path}: {entry.description}")


COMMAND = Command(name="plot", order=130, run=plot)
