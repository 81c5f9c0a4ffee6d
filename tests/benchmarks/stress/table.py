"""The table of the cases, and in which of them the default is worse than the better of two simple choices."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.scores import cell, error, mean
from tests.benchmarks.stress.run import DEFAULT, Outcome

SIMPLE = ("random+halving", "tpe+median")
"""Random search with successive halving, and Optuna's own defaults: nothing that ships may lose to these."""

Score = Callable[[Outcome], float]
Cells = Mapping[tuple[str, str], Sequence[Outcome]]

SCORES: Mapping[str, Score] = {
    "seen at a quarter": lambda outcome: outcome.regrets[1],
    "seen at half": lambda outcome: outcome.regrets[2],
    "seen at the end": lambda outcome: outcome.regrets[3],
    "completed": lambda outcome: outcome.completed,
}


def write(outcomes: Sequence[Outcome], methods: Sequence[str]) -> str:
    """Return a table in Markdown for each score."""
    cells: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.seed):
        cells[outcome.case, outcome.method].append(outcome)
    return "\n\n".join(f"{name}\n\n{_table(cells, methods, score)}" for name, score in SCORES.items())


def _table(cells: Cells, methods: Sequence[str], score: Score) -> str:
    cases = list(dict.fromkeys(case for case, _ in cells))
    lines = [f"| case | {' | '.join(methods)} | behind |", "|---" * (len(methods) + 2) + "|"]
    ranks: dict[str, list[int]] = defaultdict(list)
    for case in cases:
        values = {method: [score(outcome) for outcome in cells[case, method]] for method in methods}
        for method in methods:
            ranks[method].append(1 + sum(mean(values[other]) < mean(values[method]) for other in methods))
        lines.append(f"| {case} | {' | '.join(cell(values[method]) for method in methods)} | {behind(values)} |")
    lines.append(f"| worst rank | {' | '.join(str(max(ranks[method])) for method in methods)} | |")
    average = " | ".join(f"{statistics.fmean(ranks[method]):.1f}" for method in methods)
    return "\n".join([*lines, f"| mean rank | {average} | |"])


def behind(values: Mapping[str, Sequence[float]]) -> str:
    """Return by how many standard errors the default is worse than the better simple choice; empty if it is not."""
    if not all(method in values and values[method] for method in (DEFAULT, *SIMPLE)):
        return ""
    rival = min(SIMPLE, key=lambda method: mean(values[method]))
    gap = mean(values[DEFAULT]) - mean(values[rival])
    if gap <= 0:
        return ""
    # Seeds are tasks, the same ones for every method: what is compared is the difference on each.
    spread = error([a - b for a, b in zip(values[DEFAULT], values[rival], strict=True)])
    return f"+{gap / spread:.1f} SE" if spread > 0 else f"+{gap:.3f}"
