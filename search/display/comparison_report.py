"""The table of configurations that ends a study with --repeats or --sampler grid."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from objectives.base.plurals import count_noun
from search.display.formats import format_parameters
from search.display.output import print_table, say
from search.strategies.repeated.comparison import LEVEL, ComparedConfiguration, Comparison, count_pairs
from spaces import Scalar

MOST_SHOWN = 30
UNEQUAL = 3
"""How many times the median standard deviation the largest one may be before the reader is told."""
FEW = 5
"""Repeats below which the reader is told how little they can show."""


def show_comparison(comparison: Comparison) -> None:
    """Print a line for each of the best configurations, and which differences exceed the noise."""
    shown = comparison.configurations[:MOST_SHOWN]
    if not shown:
        return
    same = find_common(comparison)
    headings = ("mean", "standard deviation", "n", "trial", "below the best", "configuration")
    print_table(headings, [_row(one, comparison, same) for one in shown])
    if same:
        say(f"all have {format_parameters(same)}")
    if len(comparison.configurations) > len(shown):
        others = count_noun(len(comparison.configurations) - len(shown), "other configuration")
        say(f"{others}: `--json` lists all of them")
    for text in explain(comparison):
        say(text)


def find_common(comparison: Comparison) -> dict[str, Scalar]:
    """Return the parameters that all configurations have with the same value; none if there is one only."""
    first, *others = (one.params for one in comparison.configurations)
    if not others:
        return {}
    return {name: value for name, value in first.items() if all(other.get(name, _Absent) == value for other in others)}


class _Absent:
    """The value of a parameter that a configuration does not have."""


def explain(comparison: Comparison) -> list[str]:
    """Return sentences on what the differences in the table mean."""
    if comparison.repeats == 1:
        return ["one trial each: how much of a difference is chance is not known; --repeats 3 would tell"]
    if comparison.noise is None or comparison.least_difference is None:
        return ["fewer than two configurations are complete in all repeats: nothing can be compared"]
    pairs = count_pairs(comparison.compared)
    differ = sum(len(one.worse_than) for one in comparison.configurations)
    exceed = "exceeds" if differ < 2 else "exceed"
    method = (
        f"paired by seed, t with {count_noun(comparison.degrees or 0, 'degree')} of freedom, Holm's correction for "
        f"{count_noun(pairs, 'pair')}, {LEVEL:.0%}"
    )
    lines = [
        f"{differ or 'none'} of {count_noun(pairs, 'difference')} {exceed} the noise: one trial's is "
        f"{comparison.noise:.4f}, and two means stand out from about "
        f"{comparison.least_difference:.4f} apart on ({method})"
    ]
    if comparison.repeats < FEW:
        lines.append(
            f"{comparison.repeats} repeats show only large differences: configurations that are within the noise may "
            "still differ"
        )
    spreads = [one.standard_deviation or 0.0 for one in comparison.configurations if one.state == "complete"]
    if max(spreads, default=0.0) > UNEQUAL * statistics.median(spreads or [0.0]):
        lines.append(
            "some configurations vary far more than the others; the noise is an average over all, so that smaller "
            "differences between steady ones may be real"
        )
    return lines


def _row(one: ComparedConfiguration, comparison: Comparison, same: Mapping[str, Scalar]) -> tuple[object, ...]:
    best = comparison.configurations[0].configuration
    complete = one.state == "complete"
    below = "yes" if best in one.worse_than else "within the noise" if comparison.noise is not None else "-"
    return (
        "-" if one.mean is None else f"{one.mean:.4f}",
        "-" if one.standard_deviation is None else f"{one.standard_deviation:.4f}",
        f"{one.n} of {comparison.repeats}",
        one.configuration,
        "best" if complete and one.configuration == best else below if complete else _STATES[one.state],
        format_parameters({name: value for name, value in one.params.items() if name not in same}) or "-",
    )


_STATES = {"pruned": "stopped", "running": "in training", "waiting": "waiting", "fail": "failed"}
