"""Every configuration of a grid, one after another.

Optuna's GridSampler takes the product of lists of values: it has no conditional parameters, and workers that ask at
the same time may get the same point.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from objectives.base.plurals import count_noun
from search.errors import UsageError
from search.strategies.samplers.grid_points import count_points, list_points
from spaces import Space
from storage.optuna_adapter import ENQUEUED_PARAMETERS

LARGEST_GRID = 10_000


class GridSampler(BaseSampler):
    """Proposes the point of a grid whose index is the number of trials before this one that were not enqueued.

    points: values of each range; None for all values.
    """

    def __init__(self, space: Space, points: int | None) -> None:
        self._space = space
        self._points_of_ranges = points

    @cached_property
    def _points(self) -> list[dict[str, Any]]:
        return list(list_points(self._space, self._points_of_ranges))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space.distributions()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if ENQUEUED_PARAMETERS in trial.system_attrs:
            return {}
        before = study.get_trials(deepcopy=False)[: trial.number]
        index = sum(ENQUEUED_PARAMETERS not in other.system_attrs for other in before)
        return self._points[index % len(self._points)]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # Only for parameters outside the space, which a user's own training may suggest.
        return RandomSampler(seed=trial.number).sample_independent(study, trial, param_name, param_distribution)


def measure_grid(space: Space, points: int | None) -> int:
    """Return how many configurations a grid has.

    points: values of each range; None for all values.

    Raises:
        SpaceError: a range has no finite number of values, and `points` is None.
        UsageError: there are too many.
    """
    count = count_points(space, points)
    if count > LARGEST_GRID:
        raise UsageError(
            f"the grid has {count_noun(count, 'configuration')}, and at most {LARGEST_GRID} can be trained; give fewer "
            "--points, or narrow the space with --set"
        )
    return count
