"""Makes the shipped studies of digits again that need no download: `python -m tests.portfolio digits-recurrent ...`.

Each is a study in the space of a shipped objective, on scikit-learn's digits (8x8 images) instead of that objective's
data, with short trainings: what is learned from a shipped study is which configurations do better than others, never
how good they are. About a minute of one core each; all of them where none is named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from search.study.portfolio import FOLDER

# A part of a few hundred images validates: accuracies in steps of a quarter of a percent.
OBJECTIVE_FILE = """from dataclasses import replace

from objectives.studies.{module} import OBJECTIVE as ORIGINAL

OBJECTIVE = replace(ORIGINAL, data="digits", classes={classes!r}, validation_fraction=0.3)
"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a shipped study is made: the objective that has its space, and the plan; `overrides` as for `--set`."""

    objective: str
    epochs: int = 10
    trials: int = 40
    pruner: str = "rank"
    overrides: Sequence[str] = ()
    classes: tuple[str, ...] | None = None


RECIPES: Mapping[str, Recipe] = {
    "digits-recurrent": Recipe(objective="fashion-recurrent"),
    "digits-conv": Recipe(objective="fashion-conv", trials=30),
    # The largest networks are left out, and shifts and cutout are as large a part of an image as they are usually.
    "digits-resnet": Recipe(
        objective="cifar-resnet",
        trials=20,
        overrides=("depth=3:6", "width=16:32", "crop=1", "cutout=0:4"),
    ),
    # Shifts by a pixel, and small networks.
    "digits-augmented": Recipe(
        objective="cifar-conv",
        epochs=6,
        trials=14,
        overrides=("depth=3:4", "width=16:24", "crop=1"),
    ),
    "digits-table": Recipe(objective="table-default", trials=25),
    "digits-table-selfnorm": Recipe(objective="table-selfnorm", trials=25),
    "digits-activations": Recipe(objective="fashion-activations"),
    "digits-optimizers": Recipe(objective="fashion-optimizers"),
    "digits-regularizers": Recipe(objective="fashion-regularizers"),
    "digits-schedules": Recipe(objective="fashion-schedules", epochs=12, trials=30),
    "digits-sparse": Recipe(objective="fashion-sparse"),
    "digits-selfnorm": Recipe(objective="cifar-selfnorm"),
    # Two digits that look alike, 20 labelled images; no network of another study is there to transfer.
    "digits-transfer": Recipe(
        objective="fashion-transfer",
        trials=25,
        pruner="none",
        overrides=("reuse=none,pretrain,auxiliary",),
        classes=("3", "8"),
    ),
}


def make(name: str, recipe: Recipe, out: Path) -> None:
    """Run the study in a storage of its own and write its file into the folder."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # as root, the embedded server runs as another user
        path = folder / f"{name.replace('-', '_')}.py"
        path.write_text(
            OBJECTIVE_FILE.format(module=recipe.objective.replace("-", "_"), classes=recipe.classes), encoding="utf-8"
        )
        source = ["--name", name, "--study", name, "--objective", recipe.objective, "--out", str(out)]
        for words in (["search", *run_arguments(name, recipe, path)], ["search.study.make_portfolio", *source]):
            environment = {**os.environ, "SEARCH_HOME": str(folder / "home")}
            if subprocess.run([sys.executable, "-m", *words], env=environment, check=False).returncode:
                sys.exit(f"portfolio: {name} was not made; `python -m {words[0]}` says above why")


def run_arguments(name: str, recipe: Recipe, path: Path) -> list[str]:
    """The words after `search`."""
    plan = ["--epochs", str(recipe.epochs), "--trials", str(recipe.trials), "--pruner", recipe.pruner]
    overrides = [word for override in recipe.overrides for word in ("--set", override)]
    device = ["--workers", "1", "--device", "cpu", "--experience", "none"]
    return ["run", "--study", name, "--objective", str(path), *plan, *overrides, *device]


def main() -> None:
    """Make those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.portfolio")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder; default: where the shipped studies are")
    given = parser.parse_args()
    unknown = sorted({*given.names} - RECIPES.keys())
    if unknown:
        parser.error(f"no recipe for {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    for name in given.names or RECIPES:
        make(name, RECIPES[name], given.out)


if __name__ == "__main__":
    main()
