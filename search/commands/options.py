"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Study = Annotated[str, typer.Option("--study", help="Name of the study.", metavar="NAME")]
AnyStudy = Annotated[
    str | None, typer.Option("--study", help="Name of the study (or of its objective).", metavar="NAME")
]
Objective = Annotated[
    str | None,
    typer.Option(help="What to train: a name, or the path of a file. Default: the study's name.", metavar="NAME|PATH"),
]
Storage = Annotated[
    str | None,
    typer.Option(help="Postgres URL. Default: SEARCH_STORAGE, OPTUNA_STORAGE, or the embedded server.", metavar="URL"),
]
Data = Annotated[Path | None, typer.Option(help="Folder of data sets. Default: SEARCH_DATA.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; all else on stderr.")]
Trials = Annotated[int | None, typer.Option(help="Finished trials that the study is to have.", metavar="N")]
Timeout = Annotated[float | None, typer.Option(help="End after so many seconds.", metavar="S")]
Workers = Annotated[
    int | None,
    typer.Option(help="Worker processes. Default: one a GPU, or one a core.", metavar="W"),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, all, or a list: cuda:0,cuda:1.", metavar="DEVICES")]
Experience = Annotated[
    str | None,
    typer.Option(
        help="Earlier studies of this storage to learn from. Default: all.", metavar="all|shipped|none|NAME,NAME"
    ),
]
Fork = Annotated[
    str | None,
    typer.Option(help="Start another study with those of the study's trials that fit.", metavar="NAME"),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change the space: width=16:512, optimizer=nesterov,adamw, dropout=0.2. Repeatable.",
        metavar="NAME=RANGE",
    ),
]
Variant = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        help="Apply to the network that is scored: prune_unstructured:amount=0.8, fold_batch_norm. Repeatable.",
        metavar="NAME[:OPTION=VALUE]",
    ),
]
Measure = Annotated[
    bool, typer.Option("--measure", help="Only measure the variants, on validation data; score nothing.")
]
Confirm = Annotated[
    int | None,
    typer.Option("--confirm", help="Choose among the K best trials, by further seeds.", metavar="K"),
]
ConfirmSeeds = Annotated[
    int | None,
    typer.Option("--confirm-seeds", help="Further seeds of each for --confirm. Default: 3.", metavar="S"),
]
Reopen = Annotated[
    str | None,
    typer.Option("--reopen", help="Score a test set again that was scored or claimed; say why.", metavar="REASON"),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for weights and model card. Default: results/<study>.", metavar="DIR")
]
