"""Machines that keep checkpoints in a folder of the test, and where trials say that they resumed."""

from __future__ import annotations

from pathlib import Path

from tests.faults.member import Machine
from tests.faults.pool import Team


def keeping(place: Path, share: str = "1") -> Machine:
    """Return a machine with one core and a checkpoint after every epoch, or as often as a share of the time allows."""
    return Machine(environment={"SEARCH_CHECKPOINT_SHARE": share, "SEARCH_CHECKPOINTS": str(place)})


def notes(team: Team) -> list[str]:
    """Return the notes of the trials about where they resumed."""
    rows = team.rows("SELECT value_json FROM trial_user_attributes WHERE key = 'continued'")
    return [row.value_json for row in rows]
