"""Which policy gets there first, on real training: whole studies, one after another, in turn.

    python -m tests.benchmarks.race [--data DIR] [--objective NAME] [--seeds N] [--minutes M] [--targets A,B]
        [--policies default,curves+rank,tpe+median] [--home DIR]

Every study is a `search run` of its own with two workers, of one objective, from seed 0 on; policies take turns.
They have nothing to learn from, but for `default`, which has the studies that ship. A study's clock starts when
it is made and stops when an epoch of any of its trials reaches the target, both by the database's clock; one
that never does counts as all its minutes. A study ends when it has reached the highest target. With `--home` the
studies stay there, to be looked at.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import torch
from sqlalchemy import Engine, text

from search.connection import open_storage
from search.settings import load

POLL_SECONDS = 1.0
# Enough never to run out within the minutes.
TRIALS = 100_000
# A policy of Optuna's own runs as it is: nothing that was stopped runs on.
OTHERS = ("--audit", "0")


@dataclass(frozen=True, kw_only=True)
class Race:
    """What every study has in common."""

    objective: str
    seconds: float
    targets: Sequence[float]
    data: Path | None


def reached(engine: Engine, study: str, target: float) -> float | None:
    """Seconds from a study's beginning to the first epoch with such an accuracy; None where there is none."""
    asked = text(
        "SELECT extract(epoch FROM min(e.reported_at) - min(s.created_at)) FROM depthsearch.epochs e "
        "JOIN trials t USING (trial_id) JOIN depthsearch.studies s USING (study_id) "
        "WHERE s.name = :study AND CAST(e.metrics ->> 'accuracy' AS float) >= :target"
    )
    with engine.begin() as connection:
        found = connection.scalar(asked, {"study": study, "target": target})
    return None if found is None else float(found)


def flags(policy: str) -> list[str]:
    """What `search run` is told of a policy; `default` is what it does by itself, in a storage without studies."""
    if policy == "default":
        return ["--experience", "shipped"]
    sampler, _, pruner = policy.partition("+")
    told = ["--sampler", sampler, "--pruner", pruner, "--experience", "none"]
    return told if policy == "curves+rank" else [*told, *OTHERS]


def raced(engine: Engine, race: Race, policy: str, seed: int) -> list[float | None]:
    """Run one study; the seconds to each target."""
    study = f"{policy}-{seed}"
    command = [
        *(
            sys.executable,
            "-m",
            "search",
            "run",
            "--study",
            study,
            "--objective",
            race.objective,
            "--workers",
            "2",
        ),
        *("--device", "cpu", "--seed", str(seed), "--trials", str(TRIALS), "--timeout", str(race.seconds)),
        *flags(policy),
        *(() if race.data is None else ("--data", str(race.data))),
    ]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None:
        time.sleep(POLL_SECONDS)
        if reached(engine, study, max(race.targets)) is not None:
            running.send_signal(signal.SIGINT)
            break
    running.wait()
    times = [reached(engine, study, target) for target in race.targets]
    return [found if found is not None and found <= race.seconds else None for found in times]


def main() -> None:
    arguments = parsed()
    targets = [float(target) for target in arguments.targets.split(",")]
    race = Race(objective=arguments.objective, seconds=60 * arguments.minutes, targets=targets, data=arguments.data)
    policies = arguments.policies.split(",")
    times: dict[str, list[list[float | None]]] = {policy: [] for policy in policies}
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, Optuna {optuna.__version__}")
    print(f"{race.objective}, 2 workers, {race.seconds:g} s at most")
    with TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)  # the embedded server may run as another user
        os.environ["SEARCH_HOME"] = str(arguments.home or temporary)
        with open_storage(load()) as database:
            for seed in range(arguments.seeds):
                for policy in policies:
                    times[policy].append(raced(database.engine, race, policy, seed))
                    print(f"seed {seed} {policy:>16}: {shown(times[policy][-1], targets)}", flush=True)
    for policy in policies:
        medians = [
            statistics.median(race.seconds if run[place] is None else run[place] for run in times[policy])
            for place in range(len(targets))
        ]
        print(f"median {policy:>16}: {shown(medians, targets)}")


def shown(times: Sequence[float | None], targets: Sequence[float]) -> str:
    """The seconds to each target, for people."""
    found = zip(targets, times, strict=True)
    return ", ".join(f"{target} {'never' if at is None else f'after {at:.0f} s'}" for target, at in found)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--objective", default="fashion-depth")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--targets", default="0.885,0.890")
    parser.add_argument("--policies", default="default,curves+rank,tpe+median")
    parser.add_argument("--home", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
