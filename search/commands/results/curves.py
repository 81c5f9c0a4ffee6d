"""`search curves`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command

Trial = Annotated[
    list[int] | None,
    typer.Option("--trial", help="Number of a trial. Repeatable. Default: the five best.", metavar="N"),
]
Metric = Annotated[
    str, typer.Option(help="What was measured: accuracy, loss, train_loss, learning_rate, seconds.", metavar="NAME")
]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the curves in the terminal.")]
File = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Draw the curves into a file: .html, .json, .png, .svg or .pdf.", metavar="FILE"),
]


def curves(
    study: options.Study,
    trial: Trial = None,
    metric: Metric = "accuracy",
    plot: Plot = False,
    out: File = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Show learning curves: any stored metric of some trials, epoch by epoch."""
    from contextlib import closing

    from objectives.base.plurals import count_noun
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.display.curves_report import show_curves, show_drawing
    from search.display.output import present, say
    from search.report.curves import read_curves
    from search.report.plots.files import check_file, write_figure

    if out is not None:
        check_file(out)
    with closing(open_session(study, load_settings(storage=storage))) as session:
        found = read_curves(session.database, session.view, trial or (), metric)
    if out is not None:
        from search.report.plots.metric import draw_metric

        write_figure(draw_metric(found), out)
    if out is None or plot or json:
        present(found, show_drawing if plot else show_curves, as_json=json)
    else:
        say(f"{out}: {metric} of {count_noun(len(found.trials), 'trial')}")


COMMAND = Command(name="curves", order=125, run=curves)
