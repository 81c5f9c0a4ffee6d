"""Budgets of studies whose configurations have several trials, or come from a grid."""

from __future__ import annotations

from typing import Protocol

from objectives.base.plurals import count_noun
from search.errors import UsageError
from search.strategies.registry import find_sampler
from search.strategies.samplers.grid import measure_grid
from spaces import Space
from storage.leasing.repeats import SharedSlots


class SharedPlan(Protocol):
    """The options of a study that decide which trials share a configuration."""

    @property
    def sampler(self) -> str: ...

    @property
    def points(self) -> int | None: ...

    @property
    def repeats(self) -> int: ...


def share_slots(options: SharedPlan) -> SharedSlots:
    """Return how the trials of a study share the slots of its budget."""
    return SharedSlots(repeats=options.repeats, keeps_failed=find_sampler(options.sampler).trains_grid)


def check_grid(options: SharedPlan, space: Space) -> None:
    """Check that a study has a grid that it can train, or none.

    Raises:
        UsageError: there are points without a grid, or too many of them.
        SpaceError: a range needs `--points`.
    """
    if find_sampler(options.sampler).trains_grid:
        measure_grid(space, options.points)
    elif options.points is not None:
        raise UsageError(
            f"--points {options.points} is for --sampler grid, but the study has --sampler {options.sampler}; drop it, "
            "or add --sampler grid"
        )


def count_grid_trials(options: SharedPlan, space: Space) -> int | None:
    """Return how many trials a grid has, repeats included; None for a study without a grid."""
    if not find_sampler(options.sampler).trains_grid:
        return None
    return options.repeats * measure_grid(space, options.points)


def choose_trials(options: SharedPlan, space: Space, asked: int | None, default: int | None) -> int | None:
    """Return the number of trials of a new study: what is asked for, the whole grid, or the default in whole
    configurations.

    asked: None if it is left open. default: None if the budget is one of epochs.

    Raises:
        UsageError: as for `check_trials`.
    """
    if asked is not None:
        check_trials(options, space, asked)
        return asked
    grid = count_grid_trials(options, space)
    return grid if grid is not None else None if default is None else _round_up(default, options.repeats)


def check_trials(options: SharedPlan, space: Space, trials: int) -> None:
    """Check that a number of trials is one of whole configurations, and not more than a grid has.

    Raises:
        UsageError: it is not.
    """
    if trials % options.repeats:
        above = _round_up(trials, options.repeats)
        below = above - options.repeats
        raise UsageError(
            f"--trials counts every repeat and must be a multiple of --repeats {options.repeats}, but got {trials}; "
            f"give {f'{below} or {above}' if below else above}"
        )
    grid = count_grid_trials(options, space)
    if grid is not None and trials > grid:
        configurations = count_noun(grid // options.repeats, "configuration")
        times = f" of {count_noun(options.repeats, 'repeat')}" if options.repeats > 1 else ""
        raise UsageError(
            f"the grid has {configurations}{times}, {count_noun(grid, 'trial')} in all, but got --trials {trials}; "
            "leave it out to train them all, or start a study of another name with more --points"
        )


def _round_up(trials: int, repeats: int) -> int:
    return -(-trials // repeats) * repeats
