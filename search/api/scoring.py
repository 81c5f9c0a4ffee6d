"""`final`: the one honest number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.connection import open_storage
from search.display.final_report import show_effects, show_score
from search.display.output import Decoding, note
from search.errors import SearchError, UsageError
from search.evaluation import model_card, racing, reopening
from search.evaluation.racing import Race
from search.evaluation.reopening import Reopening
from search.evaluation.variant_args import format_list, format_variant, parse_variants
from search.settings import Settings
from search.study import plan as plans
from search.study.plan import StudyRequest
from search.study.status import StudyView
from spaces import Choice
from storage.database import Database
from storage.records import ledger, networks

if TYPE_CHECKING:
    from search.evaluation.selection import FinalStep


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks of the final step of a study that is open."""

    database: Database
    view: StudyView
    objective: str | None
    settings: Settings
    out: Path
    variants: tuple[Choice, ...] | None
    reopening: Reopening | None
    race: Race | None
    is_stored: bool
    """Whether the ledger has the answer already."""


def run_final(
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
    wanted, race = parse_variants(variants) or None, racing.parse_race(confirm, confirm_seeds)
    if measure and race is not None:
        raise UsageError(
            "--measure looks at the best trial and scores nothing, and --confirm chooses what is scored; "
            "leave one of them out"
        )
    with open_storage(settings) as database:
        view = StudyView(database, study)
        openings = ledger.openings(database.engine, view.record.uuid, view.spec.dataset)
        newest = openings[-1] if openings else None
        is_stored = newest is not None and newest.result is not None and reopen is None
        if not is_stored:
            plans.check_scored_here(view.record)
        asked = Asked(
            database=database,
            view=view,
            objective=objective,
            settings=settings,
            out=out,
            variants=wanted,
            # Before anything is waited for: what others score from here on answers this, too.
            reopening=reopening.parse_reopening(reopen, newest),
            race=race,
            is_stored=is_stored,
        )
        if measure:
            show_effects(_measured(asked), as_json=as_json)
        else:
            show_score(_result(asked), out, as_json=as_json)


def _final_step(asked: Asked) -> FinalStep:
    # Torch is imported only where there is something to train.
    import torch

    from objectives.base.device import resolve_devices
    from search.evaluation.selection import FinalStep

    view, settings = asked.view, asked.settings
    record = view.record
    with Decoding("decoding") as progress:
        plan = plans.resolve_stored(
            record, StudyRequest(study=record.name, objective=asked.objective), settings, progress
        )
    left = view.status()["budget"]["left"]
    if left:
        note(f"note: {left} trials of the study's budget are still to be trained")
    return FinalStep(
        database=asked.database,
        record=record,
        plan=plan,
        settings=settings,
        device=torch.device(resolve_devices(settings.device)[0]),
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
    from search.evaluation.variant_effects import measure_variants

    return measure_variants(_final_step(asked), asked.view.trials())


def _stored(asked: Asked) -> dict[str, Any]:
    """The score as the ledger has it."""
    view = asked.view
    result = ledger.result(asked.database.engine, view.record.uuid, view.spec.dataset)
    assert result is not None
    _catch_up(asked, result)
    return {**result, "first_time": False}


def _scored(asked: Asked) -> dict[str, Any]:
    from search.evaluation.score import score_once

    result = score_once(_final_step(asked), asked.view.trials())
    if not result["first_time"]:
        _catch_up(asked, result)
        return result
    _describe(asked, result)
    if (asked.out / model_card.WEIGHTS_FILE).stat().st_size > networks.LARGEST:
        note(
            f"note: weights of more than {networks.LARGEST // 2**20} MiB are not kept in the storage; "
            "no other study can reuse this network"
        )
    return result


def _catch_up(asked: Asked, result: dict[str, Any]) -> None:
    """Describe the weights in the folder where whoever scored them did not live to do so."""
    try:
        if model_card.lacks_model_card(asked.out, result):
            _describe(asked, result)
    except (OSError, SearchError) as error:
        note(f"note: {error}")  # the score is there all the same


def _describe(asked: Asked, result: dict[str, Any]) -> None:
    view = asked.view
    openings = ledger.openings(asked.database.engine, view.record.uuid, view.spec.dataset)
    [scored] = [opening for opening in openings if opening.look == result["look"]]
    stored = {name: value for name, value in result.items() if name != "first_time"}
    model_card.write_model_card(asked.out, stored, scored.claim.winner, view.spec)


def _tell_of_others(result: dict[str, Any], asked: Asked) -> None:
    """Say so where what was scored, before or by somebody else just now, is not what is asked for."""
    scored = result["variants"]
    wanted = scored if asked.variants is None else list(map(format_variant, asked.variants))
    if wanted != scored:
        note(
            f"note: what was scored is {format_list(scored)}; {format_list(wanted)} was not, and is scored only in a "
            "further look, with --reopen REASON"
        )
    if asked.race is not None and not racing.matches_race(result["confirmation"], asked.race):
        note(
            f"note: what was scored was chosen {racing.describe_confirmation(result['confirmation'])}; another choice "
            "is scored only in a further look, with --reopen REASON"
        )
    if asked.reopening is not None and not result["first_time"]:
        note("note: another command scored this test set meanwhile; this is its score, and it was not opened again")
