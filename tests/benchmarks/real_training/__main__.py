"""Which policy finds the better network in the same time, on real training.

    python -m tests.benchmarks.real_training --objective cifar-conv --train-examples 10000 --seeds 3 --minutes 60
        [--methods default,random+halving,tpe+median] [--workers W] [--device cpu|cuda] [--at-once K] --out FOLDER

Every study is a `search run` of its own that ends after the minutes, with no number of trials. Nothing is learned
from earlier studies, but for the method `default+experience`, which has those that ship. Others than the default
are a sampler and a pruner by name, without audit; as in every study, enough trials complete. Methods take turns, or
K studies share the machine: all methods of one seed or of several. On the CPU, each has its own cores if
there are enough.

A study's clock starts when it is made and is the database's. FOLDER gets `table.md`, `results.json`, the learning
curves of each run in `runs`, and what it printed in `logs`. A run that has had its time is not repeated when the
command is given again; one that failed is, with all that shared the machine with it. A run that hangs is ended a
minute after its time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import torch

from search.connection import open_storage
from search.errors import SearchError, UsageError
from search.settings import load
from storage.database import Database
from tests.benchmarks.real_training import outcomes, table
from tests.benchmarks.real_training.comparison import Run, Settings, describe, parse_methods, plan_batches
from tests.benchmarks.real_training.outcomes import Outcome
from tests.benchmarks.real_training.processes import DONE, INTERRUPTED, Place, train

METHODS = "default,random+halving,tpe+median"
INTERRUPTED_CODE = 130


def main() -> None:
    """Run what is missing, and print the tables of all that has finished."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = compare(given)
    except (SearchError, UsageError) as error:
        sys.exit(f"real_training: {error}")
    except KeyboardInterrupt:  # between two batches
        sys.exit(INTERRUPTED_CODE)
    if any(outcome.ended == INTERRUPTED for outcome in found):
        sys.exit(INTERRUPTED_CODE)


def compare(given: argparse.Namespace) -> list[Outcome]:
    """Return the outcomes of all runs, those that were kept included, and report them."""
    settings = Settings(
        objective=given.objective,
        seconds=60 * given.minutes,
        train_examples=given.train_examples,
        epochs=given.epochs,
        workers=given.workers,
        device=given.device,
        at_once=given.at_once,
    )
    methods = parse_methods(given.methods)
    batches = plan_batches(methods, range(given.first_seed, given.first_seed + given.seeds), settings.at_once)
    found: list[Outcome] = []
    with TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)  # the embedded server may run as another user
        place = Place(home=(given.home or Path(temporary)).absolute(), logs=given.out / "logs")
        kept = [_read_batch(batch, settings, given.out) for batch in batches]
        for known in kept:
            found.extend(known or [])
        missing = [batch for batch, known in zip(batches, kept, strict=True) if known is None]
        if missing:
            # Open from before the first run until after the last one: none of them starts the server.
            with open_storage(load(home=place.home)) as database:
                for batch in missing:
                    found.extend(_run_batch(database, settings, batch, place, given.out))
                    _report(found, methods, settings, given.out)
                    if any(outcome.ended == INTERRUPTED for outcome in found):
                        break
    print(_report(found, methods, settings, given.out))
    return found


def _read_batch(batch: Sequence[Run], settings: Settings, folder: Path) -> list[Outcome] | None:
    """Return the outcomes of a batch; None if one is missing, whose run would have the machine for itself."""
    known = [outcomes.read_finished(_file(folder, run), settings) for run in batch]
    found = [outcome for outcome in known if outcome is not None]
    return found if len(found) == len(batch) else None


def _run_batch(
    database: Database, settings: Settings, batch: Sequence[Run], place: Place, folder: Path
) -> list[Outcome]:
    # A run that is repeated begins a new study.
    studies = {run: f"{run.name}-{uuid.uuid4().hex[:8]}" for run in batch}
    ended = train(settings, studies, place)
    found = []
    for run, study in studies.items():
        outcome = outcomes.read_outcome(database.engine, settings, run, study, ended[run])
        outcomes.write(outcome, _file(folder, run))
        print(f"{run.name}: {outcome.ended}, best seen {outcome.seen(settings.seconds):.4f}", file=sys.stderr)
        found.append(outcome)
    return found


def _report(found: Sequence[Outcome], methods: Sequence[str], settings: Settings, folder: Path) -> str:
    """Write the tables and the numbers behind them, and return the text."""
    finished = [outcome for outcome in found if outcome.is_finished]
    others = [f"{outcome.method}-{outcome.seed}: {outcome.ended}" for outcome in found if outcome.ended != DONE]
    hardware = ", ".join(sorted({outcome.hardware for outcome in found}))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, Optuna {optuna.__version__}"
    text = f"{describe(settings)}\n{hardware}, {os.cpu_count()} cores, {versions}\n\n"
    text += table.write(finished, methods, settings.seconds)
    text += "".join(f"\n\n{line}" for line in others) + "\n"
    numbers = {
        "hardware": hardware,
        "cores": os.cpu_count(),
        "versions": versions,
        "settings": vars(settings),
        "shares": table.SHARES,
        "runs": table.summarize(found, settings.seconds),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(numbers, indent=1) + "\n")
    (folder / "table.md").write_text(text)
    return text


def _file(folder: Path, run: Run) -> Path:
    return folder / "runs" / f"{run.name}.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.real_training")
    parser.add_argument("--objective", default="cifar-conv")
    parser.add_argument("--train-examples", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--methods", default=METHODS, help="default, default+experience, or such as tpe+median")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--workers", type=int, default=1, help="of each study")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--at-once", type=int, default=1, help="studies that share the machine")
    parser.add_argument("--home", type=Path, help="where the studies stay; a temporary folder where it is not given")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
