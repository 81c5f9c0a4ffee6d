"""Which trials of an earlier space mean the same training in a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spaces import Categorical, Fixed, Scalar, Space
from spaces.domains import Domain, is_implied
from spaces.entries import Entry
from spaces.errors import SpaceError

Parent = tuple[str, Scalar]
"""The parameter that chooses, and the choice under which a domain exists."""


class Compatibility:
    """Compares the space that trials come from with a new one."""

    def __init__(self, old: Space, new: Space) -> None:
        self.distributions = new.distributions()
        self._new = new
        old_entries, new_entries = (
            [entry for entry in space.entries() if not is_implied(entry.domain)] for space in (old, new)
        )
        self._domains: dict[str, Domain] = {entry.name: entry.domain for entry in new_entries}
        self._unless = {entry.name: entry.unless for entry in new_entries}
        self._parents = [{entry.name: _parent(entry) for entry in entries} for entries in (old_entries, new_entries)]
        before, after = ({entry.name: _identity(entry) for entry in entries} for entries in (old_entries, new_entries))
        self._changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]

    def parameters(self, stored: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a trial's parameters as the new space has them; None if it gives no such configuration.

        A parameter that the new space fixes at the trial's own value is left out, and so is one that it does not have
        beside the trial's other choices, where it had no effect.
        """
        kept = {
            name: value
            for name, value in stored.items()
            if not self._is_fixed_at(name, value) and not self._is_without_effect(name, stored)
        }
        try:
            self._new.replay(kept)
        except SpaceError:
            return None
        # What was no parameter of the trial must not have changed: a value that was fixed, and is fixed at another.
        if any(self._matters(name, stored) for name in self._changed if name not in stored):
            return None
        return kept

    def _is_fixed_at(self, name: str, value: object) -> bool:
        domain = self._domains.get(name)
        if isinstance(domain, Fixed):
            return _same(domain.value, value)
        return isinstance(domain, Categorical) and len(domain.choices) == 1 and _same(domain.choices[0], value)

    def _is_without_effect(self, name: str, stored: Mapping[str, Any]) -> bool:
        return any(
            all(_same(stored.get(chooser, choice), choice) for chooser, choice in choices)
            for choices in self._unless.get(name, ())
        )

    def _matters(self, name: str, stored: Mapping[str, Any]) -> bool:
        return any(_exists(name, parents, stored) for parents in self._parents if name in parents)


def _exists(name: str, parents: Mapping[str, Parent | None], stored: Mapping[str, Any]) -> bool:
    """Return whether a domain exists under a trial's choices; a choice that did not vary is taken to be made."""
    parent = parents[name]
    if parent is None:
        return True
    chooser, choice = parent
    if chooser in stored:
        return _same(stored[chooser], choice)
    return _exists(chooser, parents, stored)


def _parent(entry: Entry) -> Parent | None:
    return entry.under[-1] if entry.under else None


def _identity(entry: Entry) -> str:
    """Return a text that differs if the domain's range or its parent does; sub-spaces are entries of their own."""
    described = entry.domain.to_json()
    return json.dumps([{key: described[key] for key in described if key not in ("spaces", "inline")}, _parent(entry)])


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)
