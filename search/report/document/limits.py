"""Whether a parameter's limits allow a wider range."""

from __future__ import annotations

from collections.abc import Callable

from objectives.base.errors import ObjectiveError
from objectives.core.overriding import override_objective
from objectives.discovery import find_named
from search.study.spec import StudySpec
from spaces import SpaceError, override


def make_limit_check(spec: StudySpec) -> Callable[[str], bool]:
    """Return a function that tells whether `--set` would take an override of the study's space.

    A user's own file is not run for that: its parameters have no limits then but those that any range has.
    """
    before = tuple(spec.overrides or ())
    try:
        objective = None if spec.objective_files else find_named(spec.objective).objective
    except ObjectiveError:  # it is not installed here, or was renamed
        objective = None
    space = spec.read_space()

    def accepts(text: str) -> bool:
        try:
            if objective is None:
                override(space, [text])
            else:
                override_objective(objective, [*before, text])
        except (SpaceError, ObjectiveError):
            return False
        return True

    return accepts
