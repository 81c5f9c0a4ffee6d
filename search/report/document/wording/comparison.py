"""Several studies side by side, in words."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.report.document.content.comparison import ComparedStudy, Comparison
from search.report.document.wording.blocks import Alert, Block, Document, Plot, Section, Text, tabulate


def word_comparison(comparison: Comparison, plots: tuple[Plot, ...]) -> Document:
    """Return the comparison in words."""
    studies = comparison.studies
    first = studies[0].study
    return Document(
        title=" and ".join(each.study for each in studies),
        summary=f"{count_noun(len(studies), 'study', 'studies')} side by side over the epochs that each trained",
        sections=(
            Section(title="Best values", blocks=(*_warn(studies), *plots, *_tabulate_values(comparison))),
            Section(title="Best configurations", blocks=(_tabulate_configurations(studies),)),
            Section(title="Spaces", blocks=tuple(_describe_space(each, first) for each in studies[1:])),
        ),
    )


def _warn(studies: tuple[ComparedStudy, ...]) -> list[Block]:
    return [Alert(f"{each.study}: {warning}") for each in studies for warning in each.warnings]


def _tabulate_values(comparison: Comparison) -> list[Block]:
    common = f"best after {comparison.common_epochs} epochs"
    rows = [
        (
            each.study,
            _format(each.at_common),
            _format(each.best_value),
            each.epochs_trained,
            each.states.complete,
            each.states.pruned,
            _format_test(each),
            each.policy,
            each.seed,
        )
        for each in comparison.studies
    ]
    headings = ("study", common, "best", "epochs", "completed", "stopped", "test accuracy", "search policy", "seed")
    told = (
        f"Every study has trained {count_noun(comparison.common_epochs, 'epoch')} in trials that ended; at that point "
        "they are compared fairly. One study of each kind says little: seeds differ."
    )
    return [Text(told), tabulate(headings, rows)]


def _tabulate_configurations(studies: tuple[ComparedStudy, ...]) -> Block:
    names = list(dict.fromkeys(name for each in studies for name in each.best_params))
    rows = [(name, *(each.best_params.get(name, "") for each in studies)) for name in names]
    trials = ["none" if each.best_trial is None else f"trial {each.best_trial}" for each in studies]
    headings = ("parameter", *(f"{each.study} ({trial})" for each, trial in zip(studies, trials, strict=True)))
    return tabulate(headings, rows)


def _describe_space(each: ComparedStudy, first: str) -> Block:
    if not each.space_differences:
        return Text(f"{each.study} has the space of {first}.")
    rows = [(line,) for line in each.space_differences]
    return tabulate((f"from {first} to {each.study}: - gone, + new, ~ changed",), rows)


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _format_test(each: ComparedStudy) -> str:
    if each.test_accuracy is None or each.test_interval_95 is None:
        return ""
    low, high = each.test_interval_95
    return f"{each.test_accuracy:.4f} ({low:.4f} to {high:.4f})"
