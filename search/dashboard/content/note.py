"""The program's section of a study's note: what it searches, how far it is, its best, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from objectives.base.plurals import count_noun
from objectives.base.printable import escape_controls, escape_markdown, format_code
from search.evaluation.results.score import Score
from search.study.spec import StudySpec
from search.study.status_types import BestTrial, Status
from search.study.trials import describe_machines
from storage.errors import format_command

MOST_ROWS = 60
"""Of the space's table."""
LONGEST_CELL = 120
_ADDRESS = re.compile(r"://|www\.|@", re.IGNORECASE)


def write_section(status: Status, spec: StudySpec) -> str:
    """Return the section in Markdown; every name in it is text and nothing else."""
    parts = [
        _table(("", ""), _facts(status, spec)),
        *([] if status.best is None else [_describe_best(status.best)]),
        *([] if status.final is None else [_describe_score(status.final)]),
        "#### Space",
        _describe_space(spec, status.best),
        "#### Next",
        *_describe_next(status),
    ]
    return "\n\n".join(parts)


def _facts(status: Status, spec: StudySpec) -> list[tuple[str, str]]:
    """Return what the study is and how far it has come; cells are Markdown."""
    facts = [
        ("objective", _cell(status.objective)),
        ("data set", _cell(spec.dataset)),
        ("search policy", _cell(spec.policy)),
        ("full training", count_noun(spec.epochs, "epoch")),
        ("budget", f"{status.progress}{_describe_left(status)}"),
        ("epochs trained", f"{status.epochs_trained:,}"),
        ("seed", str(spec.seed)),
    ]
    if status.reasons:
        ended = ", ".join(f"{count} {reason}" for reason, count in status.reasons.items())
        facts.append(("ended early", _cell(ended)))
    if status.control != "run":
        why = "" if status.stop_reason is None else f": {status.stop_reason}"
        facts.append(("stopped", _cell(f"{status.control}{why}")))
    return facts


def _describe_left(status: Status) -> str:
    left = status.budget.left
    if left is None:
        return ""
    return "; nothing left" if left == 0 else f"; {left} left"


def _describe_best(best: BestTrial) -> str:
    epoch = "" if best.epoch is None else f" at epoch {best.epoch + 1}"
    machines = f", {escape_markdown(describe_machines(best.machines))}" if best.machines else ""
    return f"**Best: trial {best.trial}**, validation accuracy {best.value:.4f}{epoch}{machines}"


def _describe_score(score: Score) -> str:
    low, high = score.test_interval_95
    return (
        f"**Final score: test accuracy {score.test_accuracy:.4f}** (95% interval {low:.4f} to {high:.4f}) on "
        f"{count_noun(score.test_examples, 'image')}, by trial {score.trial} retrained for "
        f"{count_noun(score.epochs, 'epoch')}; look {score.look} at this test set"
        + ("" if score.doubt is None else f". {escape_markdown(score.doubt)}")
    )


def _describe_space(spec: StudySpec, best: BestTrial | None) -> str:
    rows = spec.read_space().describe()
    values = {} if best is None else best.params
    cells = [
        (_cell(name), _cell(_format(values.get(name, ""))), _cell(range_), _cell(condition))
        for name, range_, condition in rows[:MOST_ROWS]
    ]
    table = _table(("parameter", "best", "range", "only if"), cells)
    if len(rows) <= MOST_ROWS:
        return table
    command = format_command("space", "--objective", spec.objective)
    return f"{table}\n\n{len(rows) - MOST_ROWS} more parameters: {format_code(command)}"


def _describe_next(status: Status) -> list[str]:
    """Return what can be done with the study, and the commands for it."""
    resume, trials = ("run", "--study", status.study), status.budget.trials
    parts = [("Train the rest of its trials, with the same storage:", resume)]
    if status.budget.left == 0:
        more = ("--trials", str(2 * trials)) if trials is not None else ()
        parts = [("Nothing of its budget is left. Train more trials, with the same storage:", (*resume, *more))]
        if status.best is not None and status.final is None:
            parts.append(("Score the best once on the test set:", ("final", "--study", status.study)))
    return [part for text, words in parts for part in (text, f"    {escape_controls(format_command(*words))}")]


def _format(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    """Return a table's cell in which nothing is Markdown; code if the page would make a link of a part of it.

    The page looks for addresses in what Markdown gives, after its escapes: it leaves those in code alone.
    """
    text = text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
    if _ADDRESS.search(text) is None:
        return escape_markdown(text)
    text = escape_controls(text).replace("\\|", "\\ |").replace("|", "\\|")
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
