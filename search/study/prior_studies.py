"""The earlier studies that a new one learns from, of its storage and those that ship: which, and how much of each.

That is settled when a study is made and kept in its record, so that every worker learns from the same trials,
however many the earlier studies have by then.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from sqlalchemy import Engine

from search.errors import UsageError
from search.strategies.gp.prior_models import FEWEST_TRIALS, MOST_STUDIES, PriorStudy
from search.strategies.registry import StrategySetting
from search.study import portfolio
from search.study.plan import ResolvedStudy
from search.study.spec import StudySpec, refuse_other_values
from spaces import Space
from spaces.suggestions import suggest
from storage.records import finished_trials, studies
from storage.records.studies import StudyRecord

ALL = "all"
SHIPPED = "shipped"
NONE = "none"
HALF = 0.5

# Before the name of a study that ships, where one of the storage has its UUID.
PREFIX = "portfolio:"

_log = logging.getLogger(__name__)


def choose_prior_studies(
    engine: Engine,
    space: Space,
    asked: str | None,
    *,
    parent: StudyRecord | None = None,
    carried: bool = False,
) -> Mapping[str, int] | None:
    """What a new study in `space` learns from, as its record has it: the oldest study first.

    asked: names with commas between, `none`, `shipped`, or `all` (also None): those that ship, and the latest
    studies of the storage with enough trials and at least half of the parameters. parent: the study that is
    forked, which always counts as one of them and as the latest, or not at all where its trials are carried over:
    they would count twice.

    Raises:
        UsageError: a study that was named is not here or can teach nothing, or too many are named.
    """
    if asked == NONE:
        return None
    names = space.distributions().keys()
    if asked == SHIPPED:
        return _shipped(names, MOST_STUDIES)
    if asked not in (None, ALL):
        return _settle(engine, _named(engine, asked or ""), names)
    found: dict[str, int] = {}
    if parent is not None and not carried:
        found |= _count_teachable(engine, parent, names, share=0.0, fewest=1)
    for record in reversed(studies.list_records(engine)):
        if len(found) < MOST_STUDIES and (parent is None or record.uuid != parent.uuid):
            found |= _count_teachable(engine, record, names, share=HALF, fewest=FEWEST_TRIALS)
    shipped = _shipped(names, MOST_STUDIES - len(found))
    return {**shipped, **dict(reversed(found.items()))}


def check_unchanged(engine: Engine, record: StudyRecord, asked: str | None) -> None:
    """Refuse to go on with other experience than the study was created with, where any is asked for.

    `all` means what `all` was then: the storage may have more by now.

    Raises:
        UsageError: with the difference.
    """
    if asked is None:
        return
    stored = StudySpec.from_json(record.spec).experience
    if asked == NONE:
        same = not stored
    elif asked == SHIPPED:
        same = stored is not None and all(key.startswith(PREFIX) for key in stored)
    elif asked == ALL:
        same = stored is not None
    else:
        same = {study.uuid for study in _named(engine, asked)} == set(stored or {})
    if not same:
        before = ", ".join(study.name for study in _find_present(engine, stored)) or NONE
        raise refuse_other_values(record.name, [f"~ experience: {before} -> {asked}"])


def list_names(engine: Engine, spec: StudySpec) -> list[str]:
    """The names of the studies that a study learns from; says in the log how many of them are gone."""
    present, shipped = _find_present(engine, spec.experience), _at_hand(spec.experience)
    gone = len(spec.experience or ()) - len(present) - len(shipped)
    if gone:
        _log.warning("%d of the earlier studies that this one learnt from are no longer in the storage", gone)
    return [*(f"{name} (shipped)" for name in shipped), *(record.name for record in present)]


def load_prior_studies(engine: Engine, spec: StudySpec) -> list[PriorStudy]:
    """The studies to learn from with their trials, the oldest first; those that are gone are left out."""
    counts = spec.experience or {}
    return [portfolio.read_shipped(name) for name in _at_hand(counts)] + [
        PriorStudy(name=record.name, trials=finished_trials.read_trials(engine, record.study_id, counts[record.uuid]))
        for record in _find_present(engine, counts)
    ]


def build_setting(engine: Engine, plan: ResolvedStudy) -> StrategySetting:
    """What a study's sampler and pruner are given."""
    return StrategySetting(
        space=plan.found.objective.space,
        epochs=plan.spec.epochs,
        seed=plan.spec.seed,
        experience=load_prior_studies(engine, plan.spec),
    )


def _find_present(engine: Engine, experience: Mapping[str, int] | None) -> list[StudyRecord]:
    if not experience:
        return []
    living = {record.uuid: record for record in studies.list_records(engine)}
    return [living[uuid] for uuid in experience if uuid in living]


def _shipped(wanted: Collection[str], most: int) -> dict[str, int]:
    """Those studies that ship with at least half of the parameters, at most so many."""
    found: dict[str, int] = {}
    for study in map(portfolio.read_shipped, portfolio.shipped_names()):
        known = {name for parameters, _ in study.trials for name in parameters}
        if 0 < len(known.intersection(wanted)) >= HALF * len(wanted) and len(found) < most:
            found[PREFIX + study.name] = len(study.trials)
    return found


def _at_hand(experience: Mapping[str, int] | None) -> list[str]:
    """The names of the studies that ship, of those that a study learns from; another version may have others."""
    named = [key.removeprefix(PREFIX) for key in experience or () if key.startswith(PREFIX)]
    return [name for name in named if name in portfolio.shipped_names()]


def _count_teachable(
    engine: Engine, record: StudyRecord, wanted: Collection[str], *, share: float, fewest: int
) -> dict[str, int]:
    """The trials of a study that can be learnt from, if it has so many, and such a share of the parameters."""
    described = {entry.name for entry in StudySpec.from_json(record.spec).read_space().entries()}
    if not 0 < len(described.intersection(wanted)) >= share * len(wanted):
        return {}  # without a look at its trials
    extent = finished_trials.measure_extent(engine, record.study_id)
    shared = extent.parameters.intersection(wanted)
    fits = 0 < len(shared) >= share * len(wanted) and extent.trials >= fewest
    return {record.uuid: extent.trials} if fits else {}


def _settle(engine: Engine, records: list[StudyRecord], wanted: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for record in records:
        taught = _count_teachable(engine, record, wanted, share=0.0, fewest=1)
        if not taught:
            raise UsageError(
                f"--experience {record.name!r} has no finished trial with a parameter of this space "
                f"({', '.join(wanted) or 'which has none'}); leave it out"
            )
        found |= taught
    return found


def _named(engine: Engine, asked: str) -> list[StudyRecord]:
    """The studies of a list of names, in the order in which they were made."""
    wanted = list(dict.fromkeys(name.strip() for name in asked.split(",")))
    if len(wanted) > MOST_STUDIES:
        raise UsageError(f"--experience takes at most {MOST_STUDIES} studies, but got {len(wanted)}; name fewer")
    living = {record.name: record for record in studies.list_records(engine)}
    for name in wanted:
        if name not in living:
            hint = suggest(name, living, otherwise="see `search list`")
            raise UsageError(f"--experience names studies of this storage, but there is no {name!r}; {hint}")
    return [record for name, record in living.items() if name in wanted]
