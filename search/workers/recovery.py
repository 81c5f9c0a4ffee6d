"""Repair: sets right what dead workers left, and never touches a lease that is in force."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from search.errors import SearchError
from storage.leasing import recovery, workers
from storage.records import studies

REMEDY = "search doctor --repair"
# A worker that was silent for so many lease times is taken off the list, wherever it ran.
SILENT_LEASES = 10


def check_stale(engine: Engine, lease_seconds: float) -> str:
    """Look for trials that nobody trains any more, in every study; says how many there are to look at.

    Raises:
        SearchError: dead workers hold trials of a study that no living worker serves.
    """
    stuck = []
    names = studies.names(engine)
    for name in names:
        study_id = studies.get(engine, name).study_id
        stale = recovery.find_stale(engine, study_id, workers.find_dead(engine, study_id), lease_seconds)
        if stale and not workers.find_living(engine, study_id, lease_seconds):
            stuck.append(f"{_trials([held.number for held in stale])} of study {name}")
    if stuck:
        raise SearchError(f"workers that are gone hold {', '.join(stuck)}; `{REMEDY}` lets go of them")
    return f"no trial of {len(names)} studies is held by a worker that is gone"


def repair_all(engine: Engine, lease_seconds: float) -> list[str]:
    """Let go of what dead workers hold, in every study; one line for each study where there was something."""
    lines = []
    for name in studies.names(engine):
        done = _repair_study(engine, studies.get(engine, name).study_id, lease_seconds)
        if done:
            lines.append(f"study {name}: {'; '.join(done)}")
    return lines


def _repair_study(engine: Engine, study_id: int, lease_seconds: float) -> list[str]:
    dead = workers.find_dead(engine, study_id)
    released = [held.number for held in recovery.release_stale(engine, study_id, dead, lease_seconds)]
    foreign = recovery.find_unleased(engine, study_id)
    removed = recovery.remove_workers(engine, study_id, dead, SILENT_LEASES * lease_seconds)
    done = []
    if released:
        done.append(f"let go of {_trials(released)} (held by workers that are gone)")
    if foreign:
        done.append(f"the next worker takes {_trials(foreign)} (begun by another program)")
    if removed:
        done.append(f"took {removed} {'worker that is' if removed == 1 else 'workers that are'} gone off the list")
    return done


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
