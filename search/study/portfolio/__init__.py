"""Studies that ship with the package: what the first study of a new storage learns from.

They were run on data that anybody may use, and hold validation accuracies only. CONTRIBUTING.md says how they are
made.
"""

from __future__ import annotations

import json
from pathlib import Path

from search.strategies.gp.prior_models import PriorStudy

FOLDER = Path(__file__).parent


def shipped_names() -> list[str]:
    """The names of the studies that ship, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read_shipped(name: str) -> PriorStudy:
    """One of them, with its trials.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    stored = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    trials = [(trial["parameters"], trial["accuracies"]) for trial in stored["trials"]]
    return PriorStudy(name=name, trials=trials)
