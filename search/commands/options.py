"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.export.trackers.registry import NONE, TRACKERS

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
Priority = Annotated[
    int | None,
    typer.Option(min=-1000, max=1000, help="Workers without a study serve higher ones first. Default: 0.", metavar="N"),
]
Data = Annotated[Path | None, typer.Option(help="Folder of data sets. Default: SEARCH_DATA.", metavar="DIR")]
Trial = Annotated[int, typer.Option("--trial", help="Number of the trial, counted from 0.", metavar="N")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, everything else on stderr.")]
Trials = Annotated[
    int | None,
    typer.Option(help="The study's budget: how many trials it finishes. Default: the objective's.", metavar="N"),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="Begin no trial once the epochs of this many full trainings are stored (20R), or end after a time (2h). "
        "With epochs and without --trials, the number of trials is unlimited.",
        metavar="20R|2h",
    ),
]
Timeout = Annotated[
    float | None, typer.Option(help="End after this many seconds, as --budget 2h after hours.", metavar="S")
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Worker processes. Default: one per GPU or, without a GPU, one per core; with ray, say how many.",
        metavar="W",
    ),
]
WorkersPerDevice = Annotated[
    int | None,
    typer.Option("--workers-per-device", help="Worker processes on each device, instead of --workers.", metavar="K"),
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, all, or a list: cuda:0,cuda:1, or UUIDs: GPU-..., MIG-....", metavar="DEVICES"),
]
Engine = Annotated[
    str, typer.Option(help="What starts the workers: local, or ray for a Ray cluster.", metavar="local|ray")
]
Address = Annotated[
    str | None,
    typer.Option(help="Ray: the cluster, auto or HOST:PORT. Default: RAY_ADDRESS.", metavar="ADDRESS"),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(help="Ray: each worker's share of a GPU, 0 to 1. Default: 1, or 0 with --device cpu.", metavar="G"),
]
CpusPerWorker = Annotated[int | None, typer.Option(help="Ray: each worker's CPUs. Default: 1.", metavar="C")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        help=f"Follow the study in {', '.join(TRACKERS)}, or a tracker of your own (file.py:Class); {NONE} for no "
        "tracker. Repeatable. Default: SEARCH_TRACK.",
        metavar="NAME",
    ),
]
OnEnd = Annotated[
    str | None,
    typer.Option(
        "--on-end",
        help="Run this command, without a shell, when the run has ended: SEARCH_STUDY, SEARCH_OUTCOME, ... in its "
        "environment and a JSON document on its stdin say how.",
        metavar="CMD",
    ),
]
Experience = Annotated[
    str | None,
    typer.Option(
        help="Earlier studies of this storage to learn from. Default: all.", metavar="all|shipped|none|NAME,NAME"
    ),
]
Fork = Annotated[
    str | None,
    typer.Option(help="Start a new study that keeps those trials of the study that still fit.", metavar="NAME"),
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
    bool, typer.Option("--measure", help="Only measure the variants on validation data; score nothing.")
]
Confirm = Annotated[
    int | None,
    typer.Option(
        "--confirm", help="Choose the winner among the K best trials by training them with further seeds.", metavar="K"
    ),
]
ConfirmSeeds = Annotated[
    int | None,
    typer.Option("--confirm-seeds", help="Further seeds for each trial of --confirm. Default: 3.", metavar="S"),
]
AllImages = Annotated[
    bool,
    typer.Option("--all", help="Retrain on all training images, if the study used a part of them (--train-examples)."),
]
FinalEpochs = Annotated[
    str | None,
    typer.Option(
        "--epochs",
        help="Retrain up to the winner's best epoch, or for all epochs, to the end of its schedule. Default: best.",
        metavar="best|full",
    ),
]
Reopen = Annotated[
    str | None,
    typer.Option(
        "--reopen", help="Score again a test set that was scored or claimed before; give the reason.", metavar="REASON"
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for weights and model card. Default: results/<study>.", metavar="DIR")
]
