"""Which trials of an earlier space mean the same training in a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spaces import Categorical, Fixed, Space
from spaces.domains import Domain
from spaces.errors import SpaceError


class Compatibility:
    """Holds trials of a described space against another space."""

    def __init__(self, space: Space, described: Sequence[Sequence[str]]) -> None:
        """
        described: the rows of `Space.describe` of the space that the trials come from.
        """
        self.distributions = space.distributions()
        self._space = space
        self._domains: dict[str, Domain] = {entry.name: entry.domain for entry in space.entries()}
        before = {name: (text, condition) for name, text, condition in described}
        now = {name: (text, condition) for name, text, condition in space.describe()}
        self._conditions = [{name: condition for name, (_, condition) in rows.items()} for rows in (before, now)]
        self._changed = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]

    def parameters(self, stored: Mapping[str, Any]) -> dict[str, Any] | None:
        """A trial's parameters as the new space has them; None where it gives no such configuration.

        A parameter that the new space fixes at the trial's own value is none of them.
        """
        kept = {name: value for name, value in stored.items() if not self._settles(name, value)}
        try:
            self._space.replay(kept)
        except SpaceError:
            return None
        # What is no parameter of the trial must be the same: a value that was fixed, and is fixed at another now.
        if any(self._matters(name, stored) for name in self._changed if name not in stored):
            return None
        return kept

    def _settles(self, name: str, value: object) -> bool:
        domain = self._domains.get(name)
        if isinstance(domain, Fixed):
            return _same(domain.value, value)
        return isinstance(domain, Categorical) and len(domain.choices) == 1 and _same(domain.choices[0], value)

    def _matters(self, name: str, stored: Mapping[str, Any]) -> bool:
        return any(self._exists(name, conditions, stored) for conditions in self._conditions if name in conditions)

    def _exists(self, name: str, conditions: Mapping[str, str], stored: Mapping[str, Any]) -> bool:
        """Whether the domain is there under the trial's choices; one that did not vary is taken to be the one."""
        if not conditions[name]:
            return True
        parent, _, choice = conditions[name].partition(" = ")
        if parent in stored:
            return str(stored[parent]) == choice
        return self._exists(parent, conditions, stored)


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)
