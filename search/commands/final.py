"""`final`: the one honest number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search import plan as plans
from search.access import open_storage
from search.commands.output import Decoding, configuration, document, note, say
from search.errors import NothingToDo
from search.plan import Request
from search.settings import Settings
from search.status import Viewer
from storage import ledger
from storage.database import Database


def final_step(study: str, objective: str | None, settings: Settings, out: Path, *, as_json: bool) -> None:
    """Retrain the winner and score it once; again, print what is stored."""
    with open_storage(settings) as database:
        viewer = Viewer(database, study)
        result = ledger.result(database.engine, viewer.record.uuid, viewer.spec.dataset)
        if result is None and viewer.record.control == "moved":
            raise NothingToDo(f"study {study!r} was {viewer.record.reason}; score it there")
        if result is None:
            result = _score(database, viewer, objective, settings, out)
        else:
            result = {**result, "first_time": False}
    if as_json:
        document(result)
        return
    for text in _lines(result, out):
        say(text)


def _score(
    database: Database, viewer: Viewer, objective: str | None, settings: Settings, out: Path
) -> dict[str, Any]:
    # Torch is imported only where there is something to train.
    import torch

    from objectives.training.device import resolve
    from search.final import Finalist, score_once

    record = viewer.record
    with Decoding("decoding") as progress:
        plan = plans.rebuild(record, Request(study=record.name, objective=objective), settings, progress)
    left = viewer.status()["budget"]["left"]
    if left:
        note(f"note: {left} trials of the study's budget are still to be trained")
    finalist = Finalist(
        database=database,
        record=record,
        plan=plan,
        settings=settings,
        device=torch.device(resolve(settings.device)[0]),
        out=out,
    )
    return score_once(finalist, viewer.trials())


def _lines(result: dict[str, Any], out: Path) -> list[str]:
    low, high = result["test_interval_95"]
    lines = [
        f"study {result['study']}, trial {result['trial']}, retrained for {result['epochs']} epochs "
        "on train + validation",
        configuration(result["params"]),
        f"test accuracy {result['test_accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}, "
        f"{result['test_examples']} images)",
        f"validation accuracy in the search {result['validation_accuracy']:.4f}, "
        f"{result['selection_gap']:+.4f} from the test",
        f"look number {result['look']} at this test set in this storage, {result['scored_at']}",
    ]
    if result["first_time"]:
        lines.append(f"weights, configuration and model card are in {out}")
    else:
        lines.append("this was scored before; the test set was not opened again")
    return lines
