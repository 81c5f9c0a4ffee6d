"""`final`: the one honest number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search import artifacts, racing, reopening
from search import plan as plans
from search.access import open_storage
from search.commands.output import Decoding, note
from search.commands.score import show_effects, show_score
from search.errors import SearchError, UsageError
from search.plan import Request
from search.racing import Race
from search.reopening import Reopening
from search.settings import Settings
from search.status import Viewer
from search.variants import listed, parse, written
from spaces import Choice
from storage import ledger, networks
from storage.database import Database

if TYPE_CHECKING:
    from search.winner import Finalist


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks of the final step of a study that is open."""

    database: Database
    viewer: Viewer
    objective: str | None
    settings: Settings
    out: Path
    variants: tuple[Choice, ...] | None
    reopening: Reopening | None
    race: Race | None
    is_stored: bool
    """Whether the ledger has the answer already."""


def final_step(
    study: str,
    objective: str | None,
    settings: Settings,
    out: Path,
    *,
    variants: Sequence[str] = (),
    measure: bool = False,
    confirm: int | None = None,
    confirm_seeds: int | None = None,
    reopen: str | None = None,
    as_json: bool = False,
) -> None:
    """Retrain the winner and score it once; again, print what is stored. Or only measure what variants do.

    confirm, confirm_seeds: choose the winner among so many of the best trials, by so many further seeds each.

    Raises:
        NothingToDo: no trial has completed, or the study went on to another storage.
        UsageError: the reason to score again is not one, there is nothing to score again, or the flags of a
            confirmation break a rule.
    """
    wanted, race = parse(variants) or None, racing.asked(confirm, confirm_seeds)
    if measure and race is not None:
        raise UsageError(
            "--measure looks at the best trial and scores nothing, and --confirm chooses what is scored; "
            "leave one of them out"
        )
    with open_storage(settings) as database:
        viewer = Viewer(database, study)
        openings = ledger.openings(database.engine, viewer.record.uuid, viewer.spec.dataset)
        newest = openings[-1] if openings else None
        is_stored = newest is not None and newest.result is not None and reopen is None
        if not is_stored:
            plans.check_scored_here(viewer.record)
        asked = Asked(
            database=database,
            viewer=viewer,
            objective=objective,
            settings=settings,
            out=out,
            variants=wanted,
            # Before anything is waited for: what others score from here on answers this, too.
            reopening=reopening.asked(reopen, newest),
            race=race,
            is_stored=is_stored,
        )
        if measure:
            show_effects(_measured(asked), as_json=as_json)
        else:
            show_score(_result(asked), out, as_json=as_json)


def _finalist(asked: Asked) -> Finalist:
    # Torch is imported only where there is something to train.
    import torch

    from objectives.training.device import resolve
    from search.winner import Finalist

    viewer, settings = asked.viewer, asked.settings
    record = viewer.record
    with Decoding("decoding") as progress:
        plan = plans.rebuild(record, Request(study=record.name, objective=asked.objective), settings, progress)
    left = viewer.status()["budget"]["left"]
    if left:
        note(f"note: {left} trials of the study's budget are still to be trained")
    return Finalist(
        database=asked.database,
        record=record,
        plan=plan,
        settings=settings,
        device=torch.device(resolve(settings.device)[0]),
        out=asked.out,
        variants=asked.variants,
        reopening=asked.reopening,
        race=asked.race,
        tell=note,
    )


def _result(asked: Asked) -> dict[str, Any]:
    result = _stored(asked) if asked.is_stored else _scored(asked)
    _tell_of_others(result, asked)
    return result


def _measured(asked: Asked) -> dict[str, Any]:
    from search.effects import measure

    return measure(_finalist(asked), asked.viewer.trials())


def _stored(asked: Asked) -> dict[str, Any]:
    """The score as the ledger has it."""
    viewer = asked.viewer
    result = ledger.result(asked.database.engine, viewer.record.uuid, viewer.spec.dataset)
    assert result is not None
    _catch_up(asked, result)
    return {**result, "first_time": False}


def _scored(asked: Asked) -> dict[str, Any]:
    from search.final import score_once

    result = score_once(_finalist(asked), asked.viewer.trials())
    if not result["first_time"]:
        _catch_up(asked, result)
        return result
    _describe(asked, result)
    if (asked.out / artifacts.WEIGHTS).stat().st_size > networks.LARGEST:
        note(
            f"note: weights of more than {networks.LARGEST // 2**20} MiB are not kept in the storage; "
            "no other study can reuse this network"
        )
    return result


def _catch_up(asked: Asked, result: dict[str, Any]) -> None:
    """Describe the weights in the folder where whoever scored them did not live to do so."""
    try:
        if artifacts.is_undescribed(asked.out, result):
            _describe(asked, result)
    except (OSError, SearchError) as error:
        note(f"note: {error}")  # the score is there all the same


def _describe(asked: Asked, result: dict[str, Any]) -> None:
    viewer = asked.viewer
    openings = ledger.openings(asked.database.engine, viewer.record.uuid, viewer.spec.dataset)
    [scored] = [opening for opening in openings if opening.look == result["look"]]
    stored = {name: value for name, value in result.items() if name != "first_time"}
    artifacts.describe(asked.out, stored, scored.claim.winner, viewer.spec)


def _tell_of_others(result: dict[str, Any], asked: Asked) -> None:
    """Say so where what was scored, before or by somebody else just now, is not what is asked for."""
    scored = result["variants"]
    wanted = scored if asked.variants is None else list(map(written, asked.variants))
    if wanted != scored:
        note(
            f"note: what was scored is {listed(scored)}; {listed(wanted)} was not, and is scored only in a "
            "further look, with --reopen REASON"
        )
    if asked.race is not None and not racing.is_of(result["confirmation"], asked.race):
        note(
            f"note: what was scored was chosen {racing.described(result['confirmation'])}; another choice is "
            "scored only in a further look, with --reopen REASON"
        )
    if asked.reopening is not None and not result["first_time"]:
        note(
            "note: another command scored this test set meanwhile; this is its score, and it was not opened again"
        )
