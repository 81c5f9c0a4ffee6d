"""Reading a registry: a module-level dict of frozen dataclasses, each with a `space` of its own options."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

from objectives.core.errors import ObjectiveError
from spaces import Categorical, Choice, Domain, Space


class HasSpace(Protocol):
    """An entry whose options may be searched."""

    @property
    def space(self) -> Space: ...


E = TypeVar("E")
R = TypeVar("R")


def look_up(registry: Mapping[str, E], name: str, kind: str) -> E:
    """The entry called `name`.

    Raises:
        ObjectiveError: there is none; the message has close matches and the whole list.
    """
    if name in registry:
        return registry[name]
    close = difflib.get_close_matches(name, registry, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ObjectiveError(f"unknown {kind} {name!r}; {hint}known: {', '.join(registry)}")


def choose(registry: Mapping[str, HasSpace], *names: str, **domains: Domain) -> Categorical:
    """A choice among entries, each with its own options.

    `domains` replaces the default domain of an option under every entry that has it:
    `choose(OPTIMIZERS, "nesterov", "adamw", momentum=Fixed(0.9))`.

    Raises:
        ObjectiveError: an unknown name, or an option that none of the entries has.
    """
    spaces = {name: look_up(registry, name, "choice").space for name in names}
    for option in domains:
        if not any(option in space.domains for space in spaces.values()):
            raise ObjectiveError(f"none of {', '.join(names)} has an option {option!r}")
    return Categorical(
        {
            name: space.replace(**{key: domain for key, domain in domains.items() if key in space.domains})
            for name, space in spaces.items()
        }
    )


def build(builder: Callable[..., R], choice: Choice, kind: str, /, *arguments: Any) -> R:
    """Call an entry's builder with a choice's options as keywords.

    Raises:
        ObjectiveError: the builder has no such option; an option nobody uses is an error.
    """
    unknown = sorted(set(choice.options) - _options(builder))
    if unknown:
        raise ObjectiveError(f"{kind} {choice.name!r} has no option {unknown[0]!r}")
    return builder(*arguments, **choice.options)


@cache  # a schedule is built anew for every step
def _options(builder: Callable[..., object]) -> frozenset[str]:
    return frozenset(inspect.signature(builder).parameters)
