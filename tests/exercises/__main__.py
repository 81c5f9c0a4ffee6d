"""Runs the exercises and writes docs/exercises.md: `python -m tests.exercises --data DIR [a1 b2 ...]`.

Without names, all of them, about half an hour on two cores. With `--page`, only the page, of what is stored.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.exercises.catalogue import EXERCISES
from tests.exercises.page import PAGE, PRINTED, read_printed, write_page


def run(names: Sequence[str], data: Path, machine: str | None) -> None:
    """Run these exercises, each in a storage of its own, and store what they printed."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="exercise-", dir="/tmp") as scratch:
            Path(scratch).chmod(0o755)  # as root, the embedded server runs as another user
            environment = {**os.environ, "SEARCH_HOME": f"{scratch}/home", "SEARCH_DATA": str(data), "COLUMNS": "110"}
            texts = [_print(command, environment, scratch) for command in EXERCISES[name].commands]
        printed = read_printed() if PRINTED.exists() else {}
        printed |= {name: texts} if machine is None else {name: texts, "machine": [machine]}
        PRINTED.write_text(json.dumps(printed, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: done", flush=True)


def _print(command: Sequence[str], environment: dict[str, str], folder: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "search", *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"search {' '.join(command)}: exit {ended.returncode}\n{ended.stderr}")
    return "".join(line for line in ended.stdout.splitlines(keepends=True) if not line.startswith("trial "))


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXERCISES))
    parser.add_argument("--data", type=Path, help="folder with Fashion-MNIST and CIFAR-10")
    parser.add_argument("--machine", help="what the page says about the machine")
    parser.add_argument("--page", action="store_true", help="write only the page")
    given = parser.parse_args()
    if not given.page:
        run(given.names or list(EXERCISES), given.data.resolve(), given.machine)
    PAGE.write_text(write_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
