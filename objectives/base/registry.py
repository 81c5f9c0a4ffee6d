"""Access to registries: module-level dicts from names to frozen entries, each a `Technique`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from objectives.base.errors import ObjectiveError
from objectives.base.technique import Technique
from spaces import Categorical, Choice, Domain, find_broken_limit
from spaces.suggestions import suggest_and_list

E = TypeVar("E")
T = TypeVar("T", bound=Technique)


def look_up(registry: Mapping[str, E], name: str, kind: str) -> E:
    """Return the entry called `name`.

    Raises:
        ObjectiveError: there is none; the message has close matches and all names.
    """
    if name in registry:
        return registry[name]
    raise ObjectiveError(f"unknown {kind} {name!r}; {suggest_and_list(name, registry)}")


def choose(registry: Mapping[str, Technique], *names: str, **domains: Domain) -> Categorical:
    """Return a choice among entries (all of them if none is named), each with its own options.

    `domains` replaces the default domain of an option under every entry that has it:
    `choose(OPTIMIZERS, "nesterov", "adamw", momentum=Fixed(0.9))`.

    Raises:
        ObjectiveError: a name is unknown, or none of the entries has an option.
    """
    kind = next((entry.kind for entry in registry.values()), Technique.kind)
    spaces = {name: look_up(registry, name, kind).space for name in names or registry}
    for option in domains:
        if not any(option in space.domains for space in spaces.values()):
            raise ObjectiveError(f"none of {', '.join(spaces)} has an option {option!r}")
    return Categorical(
        {
            name: space.replace(**{key: domain for key, domain in domains.items() if key in space.domains})
            for name, space in spaces.items()
        }
    )


def resolve(registry: Mapping[str, T], choice: Choice | str, kind: str) -> tuple[T, dict[str, Any]]:
    """Return the chosen entry and its options, ready to be passed to its builder as keyword arguments.

    Raises:
        ObjectiveError: the name is unknown, the entry has no such option, or a value is beyond its limits.
    """
    choice = as_choice(choice)
    entry = look_up(registry, choice.name, kind)
    for option, value in choice.options.items():
        check_option(entry, f"{kind} {choice.name!r}", option, value)
    return entry, dict(choice.options)


def check_option(entry: Technique, owner: str, option: str, value: object) -> None:
    """Raise `ObjectiveError` if the entry has no such option, or if the value is beyond its limits.

    owner: how the message names the entry, such as "optimizer 'sgd'".
    """
    domain = entry.space.domains.get(option)
    if domain is None:
        raise ObjectiveError(
            f"{owner} has no option {option!r} (set to {value!r}); it has {', '.join(entry.space.domains) or 'none'}"
        )
    rule = find_broken_limit(domain, value)
    if rule is not None:
        raise ObjectiveError(f"{option} of {owner} {rule}, but got {value!r}")


def as_choice(choice: Choice | str) -> Choice:
    """Return the choice itself, or a plain name as a choice without options."""
    return Choice(choice) if isinstance(choice, str) else choice
