"""`status` and `list`: what is known about studies."""

from __future__ import annotations

from typing import Any

from search.connection import open_storage
from search.display.output import configuration, document, say, table
from search.settings import Settings
from search.strategies.pruners import audit
from search.study.status import StudyView
from storage.records import studies


def show_status(name: str, settings: Settings, *, as_json: bool) -> None:
    """Print a study's state."""
    with open_storage(settings) as database:
        status = StudyView(database, name).status()
    if as_json:
        document(status)
        return
    for text in _lines(status):
        say(text)


def list_studies(settings: Settings, *, as_json: bool) -> None:
    """Print a line for each study."""
    with open_storage(settings) as database:
        found = [StudyView(database, name).status() for name in studies.names(database.engine)]
    if as_json:
        document(found)
    elif not found:
        say("no studies yet; start one with: search run --study digits-depth")
    else:
        table(("study", "objective", "trials", "best", "test", "workers"), [_row(s) for s in found])


def _row(status: dict[str, Any]) -> tuple[object, ...]:
    done = status["states"]["complete"] + status["states"]["pruned"]
    best, final = status["best"], status["final"]
    return (
        status["study"],
        status["objective"],
        f"{done}/{status['budget']['trials']}",
        f"{best['value']:.4f}" if best else "",
        f"{final['test_accuracy']:.4f}" if final else "",
        len(status["workers"]) or "",
    )


def _lines(status: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{count} {name}" for name, count in status["states"].items() if count)
    lines = [
        f"study {status['study']} (objective {status['objective']}): {counts or 'no trials yet'}; "
        f"{status['budget']['left']} left of {status['budget']['trials']}, "
        f"{status['epochs_trained']} epochs trained"
    ]
    if status["control"] != "run":
        lines.append(f"stopped{': ' + status['stop_reason'] if status['stop_reason'] else ''}")
    lines += [
        f"worker on {worker['host']} {worker['device']}: trial {worker['trial']}, "
        f"epoch {worker['epoch']}, heard of {worker['beat_s']:.0f} s ago"
        for worker in status["workers"]
    ]
    lines += [f"trial {error['trial']} failed: {error['error']}" for error in status["errors"]]
    audited = audit.describe_audit(status["pruning"])
    lines += [] if audited is None else [audited]
    best, final = status["best"], status["final"]
    if best is not None:
        lines.append(f"best validation accuracy {best['value']:.4f} (trial {best['trial']})")
        lines.append(configuration(best["params"]))
    if final is not None:
        lines.append(f"test accuracy {final['test_accuracy']:.4f}, scored {final['scored_at']}")
    return lines
