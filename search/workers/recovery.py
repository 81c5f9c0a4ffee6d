"""Repair of what dead workers left behind. A valid lease is never touched."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from objectives.base.plurals import count_noun
from search.errors import SearchError
from storage.leasing import recovery, workers
from storage.records import studies

REMEDY = "search doctor --repair"
SILENT_LEASES = 10
"""A worker that was silent for this number of lease times is removed from the list, wherever it ran."""


def check_stale(engine: Engine, lease_seconds: float) -> str:
    """Look in every study for trials that nobody trains any more, and return a sentence if there are none.

    Raises:
        SearchError: dead workers hold trials of a study that no living worker serves.
    """
    stuck = []
    for name in studies.list_names(engine):
        study_id = studies.get(engine, name).study_id
        stale = recovery.find_stale(engine, study_id, workers.find_dead(engine, study_id), lease_seconds)
        if stale and not workers.find_living(engine, study_id, lease_seconds):
            stuck.append(f"{_format_trials([held.number for held in stale])} of study {name}")
    if stuck:
        raise SearchError(f"dead workers hold {', '.join(stuck)}; release them with `{REMEDY}`")
    return "no trial is held by a dead worker"


def repair_all(engine: Engine, lease_seconds: float) -> list[str]:
    """Release what dead workers hold, in every study; return one line per study in which there was something."""
    lines = []
    for name in studies.list_names(engine):
        done = _repair_study(engine, studies.get(engine, name).study_id, lease_seconds)
        if done:
            lines.append(f"study {name}: {'; '.join(done)}")
    return lines


def _repair_study(engine: Engine, study_id: int, lease_seconds: float) -> list[str]:
    dead = workers.find_dead(engine, study_id)
    released = [held.number for held in recovery.release_stale(engine, study_id, dead, lease_seconds)]
    unleased = recovery.find_unleased(engine, study_id)
    removed = recovery.remove_workers(engine, study_id, dead, SILENT_LEASES * lease_seconds)
    done = []
    if released:
        done.append(f"released {_format_trials(released)} (held by dead workers)")
    if unleased:
        done.append(f"the next worker takes over {_format_trials(unleased)} (started by another program)")
    if removed:
        done.append(f"removed {count_noun(removed, 'dead worker')} from the list")
    return done


def _format_trials(numbers: Sequence[int]) -> str:
    return f"trial{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
