"""Configurations that a user writes down, in whole or in part: `depth=3`, `optimizer=nesterov`, `momentum=0.9`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar
from spaces.entries import Entry
from spaces.errors import SpaceError
from spaces.space import Space
from spaces.stored_parameters import StoredParameters
from spaces.suggestions import suggest


def split_assignments(assignments: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield a configuration, as names and texts, for each combination of values: `depth=3,5` are two.

    Raises:
        SpaceError: an assignment is none, or a name comes twice.
    """
    lists: dict[str, list[str]] = {}
    for assignment in assignments:
        name, _, text = (part.strip() for part in assignment.partition("="))
        values = [part.strip() for part in text.split(",")]
        if not name or not all(values):
            raise SpaceError(f"a value is given as name=value, or name=value,value, but got {assignment!r}")
        if name in lists:
            raise SpaceError(f"{name!r} is given twice; write {name}={','.join([*lists[name], *values])} to try each")
        lists[name] = values
    yield from (dict(zip(lists, chosen, strict=True)) for chosen in itertools.product(*lists.values()))


def read_configuration(space: Space, given: Mapping[str, str]) -> dict[str, Scalar]:
    """Return the parameters that texts stand for, and the choices that they imply; what is left open has none.

    A name is full (`nesterov.momentum`) or the last part of one (`momentum`), if that can mean one parameter only.

    Raises:
        SpaceError: there is no such name, no such value of it, or it does not exist beside the others.
    """
    entries = {entry.name: entry for entry in space.entries()}
    chosen: dict[str, Scalar] = {}
    # Those that can mean one parameter only come first: they decide what the others can mean.
    for name, text in sorted(given.items(), key=lambda item: len(_find_targets(entries, item[0]))):
        entry = _choose_target(entries, name, chosen)
        value = _parse(entry.name, entry.domain, text)
        if entry.name in chosen and chosen[entry.name] != value:
            raise SpaceError(
                f"{entry.name}={text} does not go with another value, which exists only with "
                f"{entry.name}={chosen[entry.name]}; leave one of them out"
            )
        chosen |= {**dict(entry.under), entry.name: value}
    for name in chosen:
        for group in entries[name].unless:
            if all(chosen.get(parent) == choice for parent, choice in group):
                beside = ", ".join(f"{parent}={choice}" for parent, choice in group)
                raise SpaceError(f"{name!r} does not exist with {beside}; leave one of them out")
    varying = space.distributions()
    return {name: value for name, value in chosen.items() if name in varying}


def _find_targets(entries: Mapping[str, Entry], name: str) -> list[Entry]:
    found = [entry for full, entry in entries.items() if full == name or full.endswith(f".{name}")]
    if name in entries:
        return [entries[name]]
    if not found:
        hint = suggest(name, entries, otherwise=f"it has {', '.join(entries) or 'none'}")
        raise SpaceError(f"the study's space has no {name!r}; {hint}")
    return found


def _choose_target(entries: Mapping[str, Entry], name: str, chosen: Mapping[str, Scalar]) -> Entry:
    """Return the one parameter that a name can mean beside the choices that are made."""
    found = _find_targets(entries, name)
    exist = [entry for entry in found if all(chosen.get(parent, choice) == choice for parent, choice in entry.under)]
    if len(exist) == 1:
        return exist[0]
    listed = ", ".join(f"{entry.name} with {entry.condition}" for entry in exist or found)
    if exist:
        raise SpaceError(f"{name!r} may be {listed}; give its full name, or the choice")
    made = ", ".join(f"{parent}={value}" for parent, value in chosen.items())
    raise SpaceError(f"{name!r} does not exist with {made}; it may be {listed}")


def _parse(name: str, domain: Domain, text: str) -> Scalar:
    if isinstance(domain, Fixed):
        if not _means(text, domain.value):
            raise SpaceError(
                f"{name} is fixed at {domain.value} in the study, but got {text!r}; leave it out, or fork the study "
                f"with --set {name}={text}"
            )
        return domain.value
    if isinstance(domain, Categorical):
        found = [choice for choice in domain.choices if _means(text, choice)]
        if not found:
            raise SpaceError(f"{name} must be one of {domain}, but got {text!r}; a fork with --set may have others")
        return found[0]
    return _parse_number(name, domain, text)


def _parse_number(name: str, domain: Int | Float, text: str) -> Scalar:
    try:
        value = float(text)
    except ValueError:
        raise SpaceError(f"{name} must be a number in {domain}, but got {text!r}") from None
    try:
        return StoredParameters({name: int(value) if value.is_integer() else value}).take(name, domain)
    except SpaceError as error:
        raise SpaceError(f"{error}; a fork of the study with --set may have other values") from None


def _means(text: str, value: Scalar) -> bool:
    """Return whether a text stands for a value: as it is printed, in any case, or as the same number."""
    if str(value).lower() == text.lower():
        return True
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and float(text) == value
    except ValueError:
        return False
