"""The lines of the live view that describe the study as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from objectives.base.plurals import count_noun
from search.api.training import Progress
from search.display.formats import format_counts, format_duration, shorten
from search.display.live.pace import count_saved, estimate_epochs_left, format_rate, is_known

BETWEEN = "  |  "
SHORTEST_NAME = 12


def describe_study(progress: Progress, rate: float | None, idle: str, columns: int) -> list[str]:
    """Return what there is to say about a study in as few lines of `columns` columns as hold it.

    rate: epochs a second, if known. idle: what to say of a study that nobody trains.
    """
    status = progress.status
    done = f": {status.describe_progress('/')} ({format_counts(status) or 'none yet'})"
    name = shorten(status.study, max(SHORTEST_NAME, columns - cell_len(done)))
    parts = [
        f"{name}{done}",
        *_describe_best(progress),
        *_describe_epochs(progress),
        *_describe_time(progress, rate, idle),
    ]
    return flow(parts, columns)


def flow(parts: Sequence[str], columns: int) -> list[str]:
    """Return the parts in lines of at most `columns` columns, as far as no part is longer than that."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{BETWEEN}{part}" if lines else part
        if lines and cell_len(longer) <= columns:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _describe_best(progress: Progress) -> list[str]:
    best = progress.status.best
    if best is None:
        return []
    epoch = "" if best.epoch is None else f", epoch {best.epoch + 1}"
    return [f"best {best.value:.4f} (trial {best.trial}{epoch})"]


def _describe_epochs(progress: Progress) -> list[str]:
    status, saved = progress.status, count_saved(progress)
    if status.budget.epochs is not None:  # the progress says how many are trained
        return [f"{count_noun(saved, 'epoch')} saved by pruning"] if saved else []
    return [f"{count_noun(status.epochs_trained, 'epoch')} trained" + (f", {saved} saved by pruning" if saved else "")]


def _describe_time(progress: Progress, rate: float | None, idle: str) -> list[str]:
    if progress.status.budget.left == 0:
        return []
    if not progress.status.workers:
        return [idle]
    if rate is None:
        return []
    left = estimate_epochs_left(progress)
    about = "about" if is_known(progress) else "at most"
    return [format_rate(rate), *([] if left is None else [f"{about} {format_duration(left / rate)} left"])]
