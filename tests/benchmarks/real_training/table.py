"""The tables of a comparison: best validation accuracies over time, and what they took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.real_training.comparison import DEFAULT
from tests.benchmarks.real_training.outcomes import Outcome
from tests.benchmarks.scores import cell, mean

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Of a study's time."""

Measure = Callable[[Outcome, float], float]

BEST: Mapping[str, Measure] = {
    "best completed": Outcome.completed,
    "best seen": Outcome.seen,
}
SPENT: Mapping[str, Measure] = {
    "epochs": Outcome.count_epochs,
    "full trainings": Outcome.count_full_trainings,
    "trials started": lambda outcome, until: len(outcome.trials),
    "completed": Outcome.count_completed,
}


def write(outcomes: Sequence[Outcome], methods: Sequence[str], seconds: float) -> str:
    """Return the tables in Markdown: means over the seeds, with standard errors.

    The seeds of a method are those whose runs had their time.
    """
    rows = {method: [outcome for outcome in outcomes if outcome.method == method] for method in methods}
    tables = [f"{name} validation accuracy\n\n{_over_time(rows, measure, seconds)}" for name, measure in BEST.items()]
    return "\n\n".join([*tables, f"what it took\n\n{_spent(rows, seconds)}"])


def summarize(outcomes: Sequence[Outcome], seconds: float) -> list[dict[str, object]]:
    """Return the numbers behind the tables, one row for each run; None where there is no value yet."""
    return [
        {"method": outcome.method, "seed": outcome.seed, "ended": outcome.ended}
        | {
            name: [_number(measure(outcome, share * seconds)) for share in SHARES]
            for name, measure in {**BEST, **SPENT}.items()
        }
        for outcome in outcomes
    ]


def _over_time(rows: Mapping[str, Sequence[Outcome]], measure: Measure, seconds: float) -> str:
    heads = [f"{share * seconds / 60:.3g} min" for share in SHARES]
    lines = [f"| method | {' | '.join(heads)} | default ahead by |", "|---" * (len(SHARES) + 2) + "|"]
    for method, runs in rows.items():
        cells = [_cell([measure(run, share * seconds) for run in runs]) for share in SHARES]
        ahead = _ahead(rows.get(DEFAULT, []), runs, measure, seconds) if method != DEFAULT else ""
        lines.append(f"| {method} | {' | '.join(cells)} | {ahead} |")
    return "\n".join(lines)


def _ahead(default: Sequence[Outcome], runs: Sequence[Outcome], measure: Measure, seconds: float) -> str:
    """Return how much better the default is at the end; a seed's methods share the split, so seeds are paired."""
    theirs = {run.seed: measure(run, seconds) for run in runs}
    pairs = [measure(run, seconds) - theirs[run.seed] for run in default if run.seed in theirs]
    return _cell(pairs) if pairs else ""


def _spent(rows: Mapping[str, Sequence[Outcome]], seconds: float) -> str:
    lines = [f"| method | runs | {' | '.join(SPENT)} |", "|---" * (len(SPENT) + 2) + "|"]
    for method, runs in rows.items():
        means = [mean([measure(run, seconds) for run in runs]) for measure in SPENT.values()]
        lines.append(f"| {method} | {len(runs)} | {' | '.join(f'{value:.1f}' for value in means)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    """Return the mean and its error; how many there are where some have none, whose mean would be of the quick ones."""
    known = [value for value in values if not math.isnan(value)]
    return cell(values) if values and len(known) == len(values) else f"{len(known)} of {len(values)} have one"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
