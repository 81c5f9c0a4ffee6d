"""`search predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command

Files = Annotated[
    list[Path],
    typer.Argument(help="Images, tables (.csv), arrays (.npy, .npz), and folders of these.", metavar="FILE"),
]
Model = Annotated[
    Path, typer.Option("--model", help="Folder that `search export --format model` wrote.", metavar="DIR")
]
Top = Annotated[int, typer.Option("--top", help="Show the K most probable classes; 0 for all.", metavar="K")]
Samples = Annotated[
    int | None,
    typer.Option("--mc", help="Predict S times with dropout; show the mean and its deviation.", metavar="S"),
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Images predicted at once.", metavar="N")]
Objective = Annotated[
    str | None,
    typer.Option(help="The file whose build_model made the network, if it is one of your own.", metavar="NAME|PATH"),
]


def predict(
    files: Files,
    model: Model,
    top: Top = 3,
    mc: Samples = None,
    batch_size: BatchSize = 256,
    objective: Objective = None,
    device: options.Device = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Predict the classes of images with an exported network; no study and no storage is needed."""
    from search.api.predicting import PredictionRequest
    from search.api.predicting import predict as predict_files
    from search.commands.settings import load_settings
    from search.display.exporting.prediction_report import show_predictions
    from search.display.output import Decoding, note, present
    from search.errors import Exit

    request = PredictionRequest(top=top, batch_size=batch_size, samples=mc)
    with Decoding("predicting") as progress:
        found = predict_files(model, files, request, load_settings(data=data, device=device), progress, objective)
    present(found, show_predictions, as_json=json)
    for each in found.errors:
        note(f"error: {each.error}")
    if found.errors:
        raise typer.Exit(Exit.FAILED)


COMMAND = Command(name="predict", order=160, run=predict)
