"""Studies that ship with the package, for the first studies of a new storage to learn from.

They were run on freely usable data and contain validation accuracies only. CONTRIBUTING.md says how to make one.
"""

from __future__ import annotations

import json
from pathlib import Path

from search.strategies.gp.prior_study import PriorStudy

FOLDER = Path(__file__).parent


def list_shipped() -> list[str]:
    """Return the names of the shipped studies, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read_shipped(name: str) -> PriorStudy:
    """Return the shipped study of this name, with its trials.

    Raises:
        FileNotFoundError: there is none.
    """
    stored = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    trials = [(trial["parameters"], trial["accuracies"]) for trial in stored["trials"]]
    return PriorStudy(name=name, trials=trials)
