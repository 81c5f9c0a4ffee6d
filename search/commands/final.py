"""`final`: the one honest number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search import plan as plans
from search.access import open_storage
from search.commands.output import Decoding, configuration, document, note, say, table
from search.errors import NothingToDo
from search.plan import Request
from search.settings import Settings
from search.status import Viewer
from search.variants import EFFECTS, effect_rows, listed, parse, written
from spaces import Choice
from storage import ledger, networks
from storage.database import Database

if TYPE_CHECKING:
    from search.winner import Finalist


def final_step(
    study: str,
    objective: str | None,
    settings: Settings,
    out: Path,
    *,
    variants: Sequence[str] = (),
    measure: bool = False,
    as_json: bool = False,
) -> None:
    """Retrain the winner and score it once; again, print what is stored. Or only measure what variants do."""
    asked = parse(variants) or None
    with open_storage(settings) as database:
        viewer = Viewer(database, study)
        result = ledger.result(database.engine, viewer.record.uuid, viewer.spec.dataset)
        if result is None and viewer.record.control == "moved":
            raise NothingToDo(f"study {study!r} was {viewer.record.reason}; score it there")
        if measure:
            _show_effects(_measured(_finalist(database, viewer, objective, settings, out, asked), viewer), as_json)
            return
        if result is None:
            result = _scored(_finalist(database, viewer, objective, settings, out, asked), viewer)
        else:
            result = {**result, "first_time": False}
    _tell_of_others(result, asked)
    if as_json:
        document(result)
    else:
        _show(result, out)


def _finalist(
    database: Database,
    viewer: Viewer,
    objective: str | None,
    settings: Settings,
    out: Path,
    asked: tuple[Choice, ...] | None,
) -> Finalist:
    # Torch is imported only where there is something to train.
    import torch

    from objectives.training.device import resolve
    from search.winner import Finalist

    record = viewer.record
    with Decoding("decoding") as progress:
        plan = plans.rebuild(record, Request(study=record.name, objective=objective), settings, progress)
    left = viewer.status()["budget"]["left"]
    if left:
        note(f"note: {left} trials of the study's budget are still to be trained")
    return Finalist(
        database=database,
        record=record,
        plan=plan,
        settings=settings,
        device=torch.device(resolve(settings.device)[0]),
        out=out,
        variants=asked,
    )


def _measured(finalist: Finalist, viewer: Viewer) -> dict[str, Any]:
    from search.effects import measure

    return measure(finalist, viewer.trials())


def _scored(finalist: Finalist, viewer: Viewer) -> dict[str, Any]:
    from search.artifacts import WEIGHTS
    from search.final import score_once

    result = score_once(finalist, viewer.trials())
    if result["first_time"] and (finalist.out / WEIGHTS).stat().st_size > networks.LARGEST:
        note(
            f"note: weights of more than {networks.LARGEST // 2**20} MiB are not kept in the storage; "
            "no other study can reuse this network"
        )
    return result


def _tell_of_others(result: dict[str, Any], asked: tuple[Choice, ...] | None) -> None:
    """Say so where what was scored, before or by somebody else just now, is not what is asked for."""
    scored = result.setdefault("variants", [])
    result.setdefault("variant_effects", [])
    wanted = scored if asked is None else list(map(written, asked))
    if wanted != scored:
        note(f"note: what was scored is {listed(scored)}; {listed(wanted)} was not, and cannot be any more")


def _show_effects(measured: dict[str, Any], as_json: bool) -> None:
    if as_json:
        document(measured)
        return
    say(f"study {measured['study']}, trial {measured['trial']}, trained as in the search; nothing was claimed")
    _table(measured["variant_effects"])


def _table(effects: list[dict[str, Any]]) -> None:
    table(EFFECTS, effect_rows(effects))


def _show(result: dict[str, Any], out: Path) -> None:
    low, high = result["test_interval_95"]
    say(
        f"study {result['study']}, trial {result['trial']}, retrained for {result['epochs']} epochs "
        f"on {result.get('retrained_on', 'train + validation')}"
    )
    say(configuration(result["params"]))
    if result["variants"]:
        say(f"scored with {listed(result['variants'])}; on validation images, before the retraining:")
        _table(result["variant_effects"])
    say(
        f"test accuracy {result['test_accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}, "
        f"{result['test_examples']} images)"
    )
    say(
        f"validation accuracy in the search {result['validation_accuracy']:.4f}, "
        f"{result['selection_gap']:+.4f} from the test"
    )
    say(f"look number {result['look']} at this test set in this storage, {result['scored_at']}")
    if result["first_time"]:
        say(f"weights, configuration and model card are in {out}")
    else:
        say("this was scored before; the test set was not opened again")
