"""Whether the selection optimism lies in its interval: what `final --confirm` reports, against many more seeds.

    python -m tests.benchmarks.optimism [--objective NAME] [--data DIR] [--repeats N] [--trials N] [--epochs N]
        [--candidates K] [--seeds S] [--truth N] [--workers W]

Each repeat is a study with a seed of its own, searched as a user does, and a confirmation. The truth that it is
compared with is the search's best value less the mean of the chosen configuration over `--truth` other seeds; it
has an error itself, which is printed. All is on validation images: no test file is opened.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from objectives.base.seeds import derive_seed
from search.connection import open_storage
from search.evaluation.confirmation import confirm
from search.evaluation.final_step import FinalStep
from search.evaluation.racing import Race
from search.evaluation.retraining import train_with_seed
from search.settings import Settings, load
from search.study.plan import StudyRequest, resolve_stored
from search.study.status import StudyView
from storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """What one study reported, and the truth with its standard error; accuracies and differences of them."""

    seed: int
    best: float
    optimism: float
    low: float
    high: float
    truth: float
    error: float

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low

    @property
    def is_inside(self) -> bool:
        """Whether the truth lies in the interval."""
        return self.low <= self.truth <= self.high

    def line(self) -> str:
        """The repeat for people."""
        return (
            f"seed {self.seed}: best {self.best:.4f}, optimism {self.optimism:+.4f} ({self.low:+.4f} to "
            f"{self.high:+.4f}, width {self.width:.4f}), truth {self.truth:+.4f} (error {self.error:.4f}): "
            f"{'inside' if self.is_inside else 'outside'}"
        )


def searched(options: argparse.Namespace, study: str, seed: int, home: Path) -> None:
    """Search a study in a process of its own."""
    flags = ["--study", study, "--objective", options.objective, "--seed", str(seed)]
    for name in ("trials", "workers", "epochs", "data"):
        value = getattr(options, name)
        flags += [] if value is None else [f"--{name}", str(value)]
    command = [sys.executable, "-m", "search", "run", *flags, "--device", "cpu", "--json"]
    environment = {**os.environ, "SEARCH_HOME": str(home), "SEARCH_CACHE": str(home / "cache")}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        raise SystemExit(ended.stderr)


def measured(options: argparse.Namespace, database: Database, settings: Settings, study: str, seed: int) -> Repeat:
    """Confirm a searched study, then train the chosen trial many times more."""
    view = StudyView(database, study)
    plan = resolve_stored(view.record, StudyRequest(study=study, objective=options.objective), settings)
    final_step = FinalStep(
        database=database,
        record=view.record,
        plan=plan,
        trials=tuple(view.trials()),
        settings=settings,
        device=torch.device("cpu"),
        out=settings.home / "out",
    )
    confirmation = confirm(final_step, Race(candidates=options.candidates, seeds=options.seeds))
    optimism = confirmation.optimism
    low, high = optimism.interval_95
    [chosen] = [trial for trial in final_step.trials if trial.number == confirmation.chosen]
    data, own = final_step.load_data(merge_validation=False), final_step.trial_seed(chosen)
    seeds = [derive_seed(own, "truth", index) for index in range(options.truth)]
    others = [train_with_seed(final_step, chosen, data, other)[0] for other in seeds]
    return Repeat(
        seed=seed,
        best=optimism.best_value,
        optimism=optimism.value,
        low=low,
        high=high,
        truth=optimism.best_value - statistics.fmean(others),
        error=statistics.stdev(others) / len(others) ** 0.5,
    )


def main() -> None:
    """Print a line for each repeat, and one for all."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--objective", default="digits-depth")
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--repeats", type=int, default=10)
    arguments.add_argument("--trials", type=int, default=25)
    arguments.add_argument("--epochs", type=int)
    arguments.add_argument("--candidates", type=int, default=4)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--truth", type=int, default=20)
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, {platform.platform()}, {options.objective}: {options.trials} trials, "
        f"confirmation of {options.candidates} over {options.seeds} seeds, truth over {options.truth}",
        flush=True,
    )
    repeats = []
    with TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # root's server runs as another user, who must come in
        settings = load(home=home, cache=home / "cache", data=options.data, storage=None)
        with open_storage(settings) as database:
            for seed in range(options.repeats):
                study = f"optimism-{seed}"
                searched(options, study, seed, home)
                repeats.append(measured(options, database, settings, study, seed))
                print(repeats[-1].line(), flush=True)
    widths = [repeat.width for repeat in repeats]
    print(
        f"{sum(repeat.is_inside for repeat in repeats)} of {len(repeats)} inside; width "
        f"{statistics.median(widths):.4f} (median; {min(widths):.4f} to {max(widths):.4f})"
    )


if __name__ == "__main__":
    main()
