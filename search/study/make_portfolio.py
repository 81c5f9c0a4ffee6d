"""Make a study of the portfolio from studies of a storage:

python -m search.study.make_portfolio --name fashion-depth --study NAME --study NAME ... --storage URL

`--objective NAME` says whose space it is, if the studies are of another objective that has the same one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.connection import open_storage
from search.settings import load
from search.statistics.curves import best_value
from search.study.portfolio import FOLDER
from search.study.spec import StudySpec
from storage.database import Database
from storage.records import finished_trials, studies

MOST_TRIALS = 60
# Significant digits of parameters, decimal places of accuracies.
DIGITS = 6

Trial = tuple[Mapping[str, Any], Sequence[float]]


def main() -> None:
    """Write the file of the new study."""
    arguments = _parse_arguments()
    with open_storage(load(storage=arguments.storage)) as database:
        document = collect(database, arguments.study, arguments.objective)
    path: Path = arguments.out / f"{arguments.name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {len(document['trials'])} trials")


def collect(database: Database, names: Sequence[str], objective: str | None = None) -> dict[str, Any]:
    """Return the best trials of these studies of one objective, some of the others, and where they come from.

    objective: the shipped one whose space it is; None for the studies' own.
    """
    records = [studies.get(database.engine, name) for name in names]
    specs = [StudySpec.from_json(record.spec) for record in records]
    first = specs[0]
    if any((spec.objective, spec.epochs) != (first.objective, first.epochs) for spec in specs):
        raise SystemExit(f"the studies must have the same objective and epochs, but got {', '.join(names)}")
    trials: list[Trial] = []
    for record in records:
        trials += finished_trials.read_trials(
            database.engine,
            record.study_id,
            finished_trials.measure_extent(database.engine, record.study_id).trials,
        )
    return {
        "objective": objective or first.objective,
        "dataset": first.dataset,
        "epochs": first.epochs,
        "versions": dict(first.versions),
        "trials": [_round_trial(trial) for trial in thin_out(trials, MOST_TRIALS)],
    }


def thin_out(trials: Sequence[Trial], most: int) -> list[Trial]:
    """Return at most `most` trials: half of them the best, best first, then others at equal distances in rank."""
    ranked = sorted(trials, key=lambda trial: -best_value(dict(enumerate(trial[1]))))
    best, others = ranked[: most // 2], ranked[most // 2 :]
    step = max(1, -(-len(others) // (most - len(best))))
    return [*best, *others[::step]]


def _round_trial(trial: Trial) -> dict[str, Any]:
    values, curve = trial
    return {
        "parameters": {name: _round_value(value) for name, value in values.items()},
        "accuracies": [round(accuracy, DIGITS) for accuracy in curve],
    }


def _round_value(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m search.study.make_portfolio", description="Make a study of the portfolio."
    )
    parser.add_argument("--name", required=True, help="name of the new study")
    parser.add_argument("--study", action="append", required=True, help="a study to take trials of; repeatable")
    parser.add_argument("--objective", help="the shipped objective whose space it is; default: the studies' own")
    parser.add_argument("--storage", help="Postgres URL; default as for every command")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder; default: this package's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
