"""`search lr-range`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def lr_range(
    *,
    objective: Annotated[str, typer.Option(help="What to train: a name, or the path of a file.", metavar="NAME|PATH")],
    set_: options.Set = None,
    low: Annotated[float, typer.Option(help="The first learning rate.", metavar="RATE")] = 1e-6,
    high: Annotated[float, typer.Option(help="The last learning rate.", metavar="RATE")] = 10.0,
    steps: Annotated[int, typer.Option(help="Training steps, each at a higher rate.", metavar="N")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the split, the weights and the order.", metavar="S")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write the curves to this file: .html, or .png, .svg or .pdf with kaleido.", metavar="FILE"),
    ] = None,
    data: options.Data = None,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Find the range of learning rates worth searching: one training of a few hundred steps at rising rates."""
    from search.api.rate_range import RateRangeRequest, measure_rate_ranges
    from search.commands.settings import load_settings
    from search.display.output import Decoding, note, present
    from search.display.rate_range_report import draw_rate_ranges, show_rate_ranges
    from search.report.plots.files import check_file, write_figure

    overrides = tuple(set_ or ())
    request = RateRangeRequest(objective=objective, overrides=overrides, low=low, high=high, steps=steps, seed=seed)
    if plot is not None:
        check_file(plot)
    with Decoding("decoding") as decoding:
        found = measure_rate_ranges(request, load_settings(data=data, device=device), note, decoding)
    present(found, show_rate_ranges, as_json=json)  # first: what was measured is not lost with a plot
    if plot is not None:
        write_figure(draw_rate_ranges(found), plot)
        note(f"wrote {plot}")


COMMAND = Command(name="lr-range", order=50, run=lr_range)
