"""The final step of a study: its score on the test set, stored or made now, and the effects of variants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectives.data.files.decoded import Progress as Decoding
from search.api.session import Session
from search.errors import SearchError, UsageError
from search.evaluation import model_card, racing, reopening
from search.evaluation.racing import Race
from search.evaluation.reopening import Reopening
from search.evaluation.variant_args import format_list, format_variant, parse_variants
from search.study import plan as plans
from search.study.plan import StudyRequest
from spaces import Choice
from storage.records import ledger, networks

if TYPE_CHECKING:
    from search.evaluation.selection import FinalStep


@dataclass(frozen=True, kw_only=True)
class FinalRequest:
    """What the final step of a study should do.

    Raises:
        ObjectiveError, UsageError: a variant, or the numbers of a confirmation, break a rule.
    """

    out: Path
    """The folder for weights and model card."""
    variants: tuple[str, ...] = ()
    """Variants of the network, such as `prune_unstructured:amount=0.8`; empty to score it as it is."""
    confirm: int | None = None
    """Among how many of the best trials the winner is chosen, by further seeds; None to take the best one."""
    confirm_seeds: int | None = None
    """How many further seeds each of them gets; None for the default."""
    reopen: str | None = None
    """Why a test set that was scored or claimed before is scored again; None not to."""

    def __post_init__(self) -> None:
        parse_variants(self.variants)
        racing.parse_race(self.confirm, self.confirm_seeds)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request to the final step of an open study, checked."""

    session: Session
    out: Path
    variants: tuple[Choice, ...] | None
    reopening: Reopening | None
    race: Race | None
    is_stored: bool
    """Whether the ledger has the answer already."""
    tell: Callable[[str], None]
    """Receives one line of progress at a time."""
    decoding: Decoding | None


def score(
    session: Session, request: FinalRequest, tell: Callable[[str], None], decoding: Decoding | None = None
) -> dict[str, Any]:
    """Retrain the study's winner and score it on the test set, or return the score that is stored.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: the reason to score again is not one, there is nothing to score again, or the numbers of a
            confirmation break a rule.
    """
    asked = _check(session, request, tell, decoding)
    result = _stored(asked) if asked.is_stored else _scored(asked)
    _tell_of_others(result, asked)
    return result


def measure(
    session: Session, request: FinalRequest, tell: Callable[[str], None], decoding: Decoding | None = None
) -> dict[str, Any]:
    """Measure what variants do to the study's winner on validation data; retrain, claim and score nothing.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: the request asks for a confirmation.
    """
    if request.confirm is not None:
        raise UsageError(
            "--measure examines the best trial and scores nothing, and --confirm chooses what is scored; "
            "leave one of them out"
        )
    from search.evaluation.variant_effects import measure_variants

    return measure_variants(_final_step(_check(session, request, tell, decoding)), session.view.trials())


def _check(session: Session, request: FinalRequest, tell: Callable[[str], None], decoding: Decoding | None) -> Asked:
    variants = parse_variants(request.variants) or None
    race = racing.parse_race(request.confirm, request.confirm_seeds)
    view = session.view
    openings = ledger.openings(session.database.engine, view.record.uuid, view.spec.dataset)
    newest = openings[-1] if openings else None
    is_stored = newest is not None and newest.result is not None and request.reopen is None
    if not is_stored:
        plans.check_scored_here(view.record)
    return Asked(
        session=session,
        out=request.out,
        variants=variants,
        # Before anything is waited for: a score that others make from now on answers this request, too.
        reopening=reopening.parse_reopening(request.reopen, newest),
        race=race,
        is_stored=is_stored,
        tell=tell,
        decoding=decoding,
    )


def _final_step(asked: Asked) -> FinalStep:
    # Torch is imported only if there is something to train.
    import torch

    from objectives.base.device import resolve_devices
    from search.evaluation.selection import FinalStep

    session = asked.session
    record, settings = session.record, session.settings
    request = StudyRequest(study=record.name, objective=session.objective)
    plan = plans.resolve_stored(record, request, settings, asked.decoding)
    left = session.view.status().budget.left
    if left:
        asked.tell(f"note: {left} trials of the study's budget are still to be trained")
    return FinalStep(
        database=session.database,
        record=record,
        plan=plan,
        settings=settings,
        device=torch.device(resolve_devices(settings.device)[0]),
        out=asked.out,
        variants=asked.variants,
        reopening=asked.reopening,
        race=asked.race,
        tell=asked.tell,
    )


def _stored(asked: Asked) -> dict[str, Any]:
    """Return the score that the ledger has."""
    view = asked.session.view
    result = ledger.result(asked.session.database.engine, view.record.uuid, view.spec.dataset)
    assert result is not None
    _catch_up(asked, result)
    return {**result, "first_time": False}


def _scored(asked: Asked) -> dict[str, Any]:
    from search.evaluation.score import score_once

    result = score_once(_final_step(asked), asked.session.view.trials())
    if not result["first_time"]:
        _catch_up(asked, result)
        return result
    _describe(asked, result)
    if (asked.out / model_card.WEIGHTS_FILE).stat().st_size > networks.LARGEST:
        asked.tell(
            f"note: weights of more than {networks.LARGEST // 2**20} MiB are not kept in the storage; "
            "no other study can reuse this network"
        )
    return result


def _catch_up(asked: Asked, result: dict[str, Any]) -> None:
    """Describe the weights in the folder if the process that scored them was killed before it did so."""
    try:
        if model_card.lacks_model_card(asked.out, result):
            _describe(asked, result)
    except (OSError, SearchError) as error:
        asked.tell(f"note: {error}")  # the score is there all the same


def _describe(asked: Asked, result: dict[str, Any]) -> None:
    view = asked.session.view
    openings = ledger.openings(asked.session.database.engine, view.record.uuid, view.spec.dataset)
    [scored] = [opening for opening in openings if opening.look == result["look"]]
    stored = {name: value for name, value in result.items() if name != "first_time"}
    model_card.write_model_card(asked.out, stored, scored.claim.winner, view.spec)


def _tell_of_others(result: dict[str, Any], asked: Asked) -> None:
    """Tell the user if something else was scored than this request asks for, before or by another command now."""
    scored = result["variants"]
    wanted = scored if asked.variants is None else list(map(format_variant, asked.variants))
    if wanted != scored:
        asked.tell(
            f"note: what was scored is {format_list(scored)}; {format_list(wanted)} was not, and is scored only in a "
            "further look, with --reopen REASON"
        )
    if asked.race is not None and not racing.matches_race(result["confirmation"], asked.race):
        asked.tell(
            f"note: what was scored was chosen {racing.describe_confirmation(result['confirmation'])}; another choice "
            "is scored only in a further look, with --reopen REASON"
        )
    if asked.reopening is not None and not result["first_time"]:
        asked.tell(
            "note: another command scored this test set meanwhile; this is its score, and it was not opened again"
        )
