"""Machines that keep checkpoints at a place of the test's own, and what trials say of them."""

from __future__ import annotations

from pathlib import Path

from tests.faults.pool import Crew, Machine


def keeping(place: Path, share: str = "1") -> Machine:
    """One core, and a checkpoint after every epoch, or as often as a share of the time allows."""
    return Machine(environment={"SEARCH_CHECKPOINT_SHARE": share, "SEARCH_CHECKPOINTS": str(place)})


def notes(team: Crew) -> list[str]:
    """What the trials say of where they went on from."""
    rows = team.rows("SELECT value_json FROM trial_user_attributes WHERE key = 'continued'")
    return [row.value_json for row in rows]
