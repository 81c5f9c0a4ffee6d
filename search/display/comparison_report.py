"""The table of configurations that ends a study with --repeats or --sampler grid."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.display.live_display import format_parameters
from search.display.output import print_table, say
from search.strategies.repeated.comparison import LEVEL, ComparedConfiguration, Comparison

MOST_SHOWN = 30
FEW = 5
"""Repeats below which the reader is told how little they can show."""


def show_comparison(comparison: Comparison) -> None:
    """Print a line for each of the best configurations, and which differences exceed the noise."""
    shown = comparison.configurations[:MOST_SHOWN]
    if not shown:
        return
    headings = ("mean", "standard deviation", "n", "trial", "below the best", "configuration")
    print_table(headings, [_row(one, comparison) for one in shown])
    if len(comparison.configurations) > len(shown):
        others = count_noun(len(comparison.configurations) - len(shown), "other configuration")
        say(f"{others}: `--json` lists all of them")
    for text in explain(comparison):
        say(text)


def explain(comparison: Comparison) -> list[str]:
    """Return sentences on what the differences in the table mean."""
    if comparison.repeats == 1:
        return ["one trial each: how much of a difference is chance is not known; --repeats 3 would tell"]
    if comparison.noise is None or comparison.least_difference is None:
        return ["fewer than two configurations are complete in all repeats: nothing can be compared"]
    pairs = comparison.compared * (comparison.compared - 1) // 2
    differ = sum(len(one.worse_than) for one in comparison.configurations)
    lines = [
        f"{differ} of {count_noun(pairs, 'difference')} {'exceeds' if differ == 1 else 'exceed'} the noise, which is "
        f"{comparison.noise:.4f} for one trial; two means differ for certain from about "
        f"{comparison.least_difference:.4f} on (paired by seed, t with {comparison.degrees} degrees of freedom, Holm's "
        f"correction for {count_noun(pairs, 'pair')}, {LEVEL:.0%})"
    ]
    if comparison.repeats < FEW:
        lines.append(
            f"{comparison.repeats} repeats show large differences only: what is not marked may still differ, and all "
            "configurations are taken to have the same noise"
        )
    return lines


def _row(one: ComparedConfiguration, comparison: Comparison) -> tuple[object, ...]:
    best = comparison.configurations[0].configuration
    complete = one.state == "complete"
    below = "yes" if best in one.worse_than else "within the noise" if comparison.noise is not None else "-"
    return (
        "-" if one.mean is None else f"{one.mean:.4f}",
        "-" if one.standard_deviation is None else f"{one.standard_deviation:.4f}",
        f"{one.n} of {comparison.repeats}",
        one.configuration,
        "best" if complete and one.configuration == best else below if complete else _STATES[one.state],
        format_parameters(one.params) or "-",
    )


_STATES = {"pruned": "stopped", "running": "in training", "waiting": "waiting", "fail": "failed"}
