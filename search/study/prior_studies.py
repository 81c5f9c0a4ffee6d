"""The earlier studies that a new one learns from, both of its storage and shipped ones, and how many trials of each.

The choice is made when a study is created and stored in its record, so that every worker learns from the same trials
even if the earlier studies have more by then.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from sqlalchemy import Engine

from search.errors import StoredValueRefused, UsageError
from search.strategies.gp.prior_study import FEWEST_TRIALS, MOST_STUDIES, PriorStudy
from search.strategies.registry import StrategySetting, find_sampler
from search.study import portfolio
from search.study.plan import ResolvedStudy
from search.study.spec import StudySpec, refuse_other_values
from spaces import Space
from spaces.suggestions import suggest
from storage.errors import UnreadableTrials
from storage.records import finished_trials, studies
from storage.records.studies import StudyRecord

ALL = "all"
SHIPPED = "shipped"
NONE = "none"
# The smallest share of a new study's parameters that another study must have to be learned from without being named.
SHARED_PARAMETERS = 0.5

# The key of a shipped study in `StudySpec.experience`: this and its name. The key of one of the storage is its UUID.
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
    """Choose what a new study in `space` learns from; return it as `StudySpec.experience`, the oldest study first.

    asked: names with commas between, `none`, `shipped`, or `all` (the same as None), which means the shipped studies
    and the latest ones of the storage that have enough trials and at least half of the parameters. parent: the study
    that is forked, which is always among them, as the latest. carried: whether its trials are carried over, in which
    case it is left out, because they would count twice.

    Raises:
        UsageError: a named study is not in the storage or has no trial to learn from, or too many are named.
    """
    if asked == NONE:
        return None
    names = space.distributions().keys()
    if asked == SHIPPED:
        return _choose_shipped(names, MOST_STUDIES)
    if asked not in (None, ALL):
        return _count_named(engine, _find_named(engine, asked or ""), names)
    found: dict[str, int] = {}
    if parent is not None and not carried:
        found |= _count_usable_trials(engine, parent, names, share=0.0, fewest=1)
    for record in reversed(studies.list_records(engine)):
        if len(found) < MOST_STUDIES and (parent is None or record.uuid != parent.uuid):
            found |= _count_usable_trials(engine, record, names, share=SHARED_PARAMETERS, fewest=FEWEST_TRIALS)
    shipped = _choose_shipped(names, MOST_STUDIES - len(found))
    return {**shipped, **dict(reversed(found.items()))}


def check_unchanged(engine: Engine, record: StudyRecord, asked: str | None) -> None:
    """Refuse to continue with other experience than the study was created with.

    asked: as for `choose_prior_studies`; None accepts any, and `all` accepts what `all` was when the study was created.

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
        same = {study.uuid for study in _find_named(engine, asked)} == set(stored or {})
    if not same:
        before = ", ".join(study.name for study in _find_present(engine, stored)) or NONE
        raise refuse_other_values(record.name, [f"~ experience: {before} -> {asked}"])


def list_names(engine: Engine, spec: StudySpec) -> list[str]:
    """Return the names of the studies that a study learns from; log a warning if some no longer exist.

    Empty if the study's sampler does not learn from earlier studies, whatever the record has.
    """
    if not find_sampler(spec.sampler).learns_from_earlier_studies:
        return []
    present, shipped = _find_present(engine, spec.experience), _list_shipped_sources(spec.experience)
    gone = len(spec.experience or ()) - len(present) - len(shipped)
    if gone:
        _log.warning("%d of the earlier studies that this one learned from are no longer in the storage", gone)
    return [*(f"{name} (shipped)" for name in shipped), *(record.name for record in present)]


def load_prior_studies(engine: Engine, spec: StudySpec) -> list[PriorStudy]:
    """Read the studies that a study learns from, the oldest first; those that are gone or unreadable are left out."""
    counts = spec.experience or {}
    read = [_read_prior(engine, record, counts[record.uuid]) for record in _find_present(engine, counts)]
    shipped = [portfolio.read_shipped(name) for name in _list_shipped_sources(counts)]
    return [*shipped, *(study for study in read if study is not None)]


def _read_prior(engine: Engine, record: StudyRecord, count: int) -> PriorStudy | None:
    try:
        return PriorStudy(name=record.name, trials=finished_trials.read_trials(engine, record.study_id, count))
    except UnreadableTrials as error:
        _log.warning("nothing is learned from study %r: %s", record.name, error)
        return None


def build_setting(engine: Engine, plan: ResolvedStudy, trials: int | None) -> StrategySetting:
    """Return what a study gives its sampler and pruner.

    trials: the study's budget at this moment; None if it has no number of trials.
    """
    return StrategySetting(
        space=plan.found.objective.space,
        epochs=plan.spec.epochs,
        seed=plan.spec.seed,
        trials=trials,
        experience=load_prior_studies(engine, plan.spec),
        repeats=plan.spec.repeats,
        points=plan.spec.points,
    )


def _find_present(engine: Engine, experience: Mapping[str, int] | None) -> list[StudyRecord]:
    if not experience:
        return []
    living = {record.uuid: record for record in studies.list_records(engine)}
    return [living[uuid] for uuid in experience if uuid in living]


def _choose_shipped(wanted: Collection[str], most: int) -> dict[str, int]:
    """Return at most `most` shipped studies that have at least half of the parameters, with their trials' number."""
    found: dict[str, int] = {}
    for study in map(portfolio.read_shipped, portfolio.list_shipped()):
        known = {name for parameters, _ in study.trials for name in parameters}
        if 0 < len(known.intersection(wanted)) >= SHARED_PARAMETERS * len(wanted) and len(found) < most:
            found[PREFIX + study.name] = len(study.trials)
    return found


def _list_shipped_sources(experience: Mapping[str, int] | None) -> list[str]:
    """Return the names of the shipped studies that a study learns from, without those of other program versions."""
    named = [key.removeprefix(PREFIX) for key in experience or () if key.startswith(PREFIX)]
    return [name for name in named if name in portfolio.list_shipped()]


def _count_usable_trials(
    engine: Engine, record: StudyRecord, wanted: Collection[str], *, share: float, fewest: int
) -> dict[str, int]:
    """Return {UUID: number of trials to learn from}; empty if there are fewer than `fewest`.

    share: of the wanted parameters that the study must have, too, 0 to 1; it must have one in any case.

    Empty also for a study whose record was changed in the storage, with a warning.
    """
    try:
        spec = StudySpec.from_json(record.spec)
    except StoredValueRefused as error:
        _log.warning("nothing is learned from study %r: %s", record.name, error)
        return {}
    described = {entry.name for entry in spec.read_space().entries()}
    if not 0 < len(described.intersection(wanted)) >= share * len(wanted):
        return {}  # known without reading its trials
    extent = finished_trials.measure_extent(engine, record.study_id)
    shared = extent.parameters.intersection(wanted)
    fits = 0 < len(shared) >= share * len(wanted) and extent.trials >= fewest
    return {record.uuid: extent.trials} if fits else {}


def _count_named(engine: Engine, records: list[StudyRecord], wanted: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for record in records:
        counted = _count_usable_trials(engine, record, wanted, share=0.0, fewest=1)
        if not counted:
            raise UsageError(
                f"--experience {record.name!r} has no finished trial with a parameter of this space "
                f"({', '.join(wanted) or 'which has none'}); leave it out"
            )
        found |= counted
    return found


def _find_named(engine: Engine, asked: str) -> list[StudyRecord]:
    """Return the studies of a list of names, in the order in which they were created."""
    wanted = list(dict.fromkeys(name.strip() for name in asked.split(",")))
    if len(wanted) > MOST_STUDIES:
        raise UsageError(f"--experience takes at most {MOST_STUDIES} studies, but got {len(wanted)}; name fewer")
    living = {record.name: record for record in studies.list_records(engine)}
    for name in wanted:
        if name not in living:
            hint = suggest(name, living, otherwise="see `search list`")
            raise UsageError(f"--experience names studies of this storage, but there is no {name!r}; {hint}")
    return [record for name, record in living.items() if name in wanted]
