"""Conditional search spaces: sampled from a trial, replayed from parameters, compared by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution

from spaces.configuration import Choice, Configuration
from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar, is_implied
from spaces.entries import Entry, find_choices
from spaces.errors import SpaceError
from spaces.stored_parameters import StoredParameters
from spaces.trial import TrialLike, has_single_choice, suggest_value
from spaces.unless import Unless

# Names that the service itself adds to every configuration (see objectives.core.objective).
RESERVED = frozenset({"epochs", "seed", "image_shape", "classes", "name", "options"})


class Space:
    """Named domains in a given order; the domains below a choice exist only if it is chosen.

    A conditional domain's parameter is called `<choice>.<name>`: `momentum` under the optimizer `nesterov` is the
    parameter `nesterov.momentum`, so that every parameter has one range and one meaning. Domains with an `Unless` are
    drawn after all others, because they depend on them.

    Raises:
        SpaceError: a name is reserved or not an identifier, a value is not a domain, or two parameters would share a
            name.
    """

    __slots__ = ("domains",)

    domains: Mapping[str, Domain]

    def __init__(self, domains: Mapping[str, Domain] | None = None, /, **named: Domain) -> None:
        object.__setattr__(self, "domains", {**(domains or {}), **named})
        for name, domain in self.domains.items():
            _check_entry(name, domain)
        names = [entry.name for entry in self.entries()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SpaceError(f"parameter names must be unique, but {twice[0]!r} occurs twice")
        for name, domain in self.domains.items():
            inlined = {option for space in _recipe_spaces(domain) for option in space.names()}
            if shadowed := sorted(inlined & self.domains.keys()):
                raise SpaceError(
                    f"a name must be unique, but {shadowed[0]!r} occurs in the space and in the recipes of {name!r}"
                )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a space is frozen; derive another with replace() or override()")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Space({', '.join(f'{name}={domain}' for name, domain in self.domains.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self.domains),)

    def replace(self, **domains: Domain) -> Space:
        """Return a copy with some domains added or changed."""
        return Space({**self.domains, **domains})

    def sample(self, trial: TrialLike) -> Configuration:
        """Draw a configuration from an Optuna trial, or from anything that suggests values like one."""
        return self._draw(lambda name, domain: suggest_value(trial, name, domain), "", {})

    def _draw(
        self,
        value_of: Callable[[str, Int | Float | Categorical], Any],
        prefix: str,
        around: Mapping[str, Scalar | Choice],
    ) -> Configuration:
        """Return the drawn values; `around`: those that were drawn before, of the space that this one is a part of."""
        values: dict[str, Scalar | Choice] = {}
        for name, domain in self._order():
            unless = None if isinstance(domain, Fixed) else domain.unless
            if unless is not None and unless.holds({**around, **values}):
                continue
            value: Any = domain.value if isinstance(domain, Fixed) else value_of(prefix + name, domain)
            if not (isinstance(domain, Categorical) and domain.spaces):
                values[name] = value
                continue
            options = domain.spaces[value]._draw(value_of, f"{prefix}{value}.", {**around, **values})
            values |= {name: value, **options} if domain.inline else {name: Choice(value, options)}
        return Configuration(values)

    def _order(self) -> list[tuple[str, Domain]]:
        """Return the domains in the order in which they are drawn: those that depend on others last."""
        return sorted(self.domains.items(), key=lambda item: _is_conditional(item[1]))

    def replay(self, parameters: Mapping[str, Any]) -> Configuration:
        """Return the configuration that these stored parameters stand for.

        Raises:
            SpaceError: a parameter is missing, out of range, or not one of this space.
        """
        recorded = StoredParameters(parameters)
        configuration = self._draw(recorded.take, "", {})
        recorded.check_all_taken()
        return configuration

    def names(self) -> list[str]:
        """Return the names that a configuration may have: the space's own, then those of its recipes."""
        return list(dict.fromkeys(name for name, _ in self.values()))

    def recipes(self) -> list[str]:
        """Return the names of the inline choices, whose options are values of the configuration itself."""
        return [name for name, domain in self.values() if isinstance(domain, Categorical) and domain.inline]

    def values(self) -> Iterator[tuple[str, Domain]]:
        """Yield every domain that gives a value of the configuration itself; several recipes may repeat a name."""
        for name, domain in self.domains.items():
            yield name, domain
            for space in _recipe_spaces(domain):
                yield from space.values()

    def entries(self) -> Iterator[Entry]:
        """Yield every domain with its full name and conditions, parents first."""
        entries = list(self._entries("", ()))
        for entry in entries:
            unless = None if isinstance(entry.domain, Fixed) else entry.domain.unless
            yield entry if unless is None else replace(entry, unless=tuple(find_choices(entries, unless)))

    def _entries(self, prefix: str, under: tuple[tuple[str, Scalar], ...]) -> Iterator[Entry]:
        for name, domain in self._order():
            yield Entry(prefix + name, domain, under)
            if isinstance(domain, Categorical):
                for choice, space in domain.spaces.items():
                    yield from space._entries(f"{prefix}{choice}.", (*under, (prefix + name, choice)))

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the Optuna distribution of every parameter that may appear in a trial."""
        return {
            entry.name: entry.domain.distribution
            for entry in self.entries()
            if not isinstance(entry.domain, Fixed) and not has_single_choice(entry.domain)
        }

    def to_json(self) -> dict[str, Any]:
        """Return a plain description; two are equal only if their spaces are."""
        return {name: domain.to_json() for name, domain in self.domains.items() if not is_implied(domain)}

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Space:
        """Return the space that `to_json` described, without the limits of overrides.

        Raises:
            SpaceError: no space has this description.
        """
        return cls({name: _domain_from_json(domain) for name, domain in described.items()})

    @property
    def digest(self) -> str:
        """SHA-256 of the description, the same in every process and on every machine."""
        canonical = json.dumps(self.to_json(), sort_keys=False, separators=(",", ":"))
        return hashlib.sha256(f"space-1:{canonical}".encode()).hexdigest()

    def describe(self) -> list[tuple[str, str, str]]:
        """Return rows of (parameter, range or choices, condition) for people to read, without implied values."""
        described = [entry for entry in self.entries() if not is_implied(entry.domain)]
        return [(entry.name, str(entry.domain), entry.condition) for entry in described]

    def diff(self, other: Space) -> list[str]:
        """Return one line for each parameter that differs, from this space to `other`."""
        lines = diff_descriptions(self.describe(), other.describe())
        if not lines and self != other:
            lines = ["~ space: plain choices became choices with sub-spaces, or the other way round"]
        return lines


def diff_descriptions(old: list[tuple[str, str, str]], new: list[tuple[str, str, str]]) -> list[str]:
    """Return one line for each parameter that differs between two results of `Space.describe`."""
    before = {name: text for name, text, _ in old}
    after = {name: text for name, text, _ in new}
    lines = [f"- {name}: {before[name]}" for name in before if name not in after]
    lines += [
        f"~ {name}: {before[name]} -> {after[name]}" for name in before if name in after and before[name] != after[name]
    ]
    lines += [f"+ {name}: {after[name]}" for name in after if name not in before]
    if not lines and list(before) != list(after):
        lines.append(f"~ order: {', '.join(before)} -> {', '.join(after)}")
    return lines


def _check_entry(name: str, domain: object) -> None:
    # A value cannot be read as an attribute if a method of `Configuration` has its name.
    hidden = name.startswith("_") or hasattr(Configuration, name)
    if not name.isidentifier() or name in RESERVED or hidden:
        raise SpaceError(f"a domain's name must be an identifier and not reserved, but got {name!r}")
    if not isinstance(domain, Int | Float | Categorical | Fixed):
        raise SpaceError(
            f"{name!r} must be an Int, Float, Categorical or Fixed, but got {domain!r}; "
            "write Fixed(value) for a value that does not vary"
        )
    for choice, space in domain.spaces.items() if isinstance(domain, Categorical) else ():
        if not isinstance(space, Space):
            raise SpaceError(f"the sub-space of choice {choice!r} of {name!r} must be a Space, but got {space!r}")


def _domain_from_json(described: Mapping[str, Any]) -> Domain:
    unless = Unless.from_json(described.get("unless"))
    match described:
        case {"fixed": value}:
            return Fixed(value)
        case {"int": [low, high], "log": log, "step": step}:
            return Int(low, high, log=log, step=step, unless=unless)
        case {"float": [low, high], "log": log, "step": step}:
            return Float(low, high, log=log, step=step, unless=unless)
        case {"choices": [*_], "spaces": spaces} if spaces:
            opened = {choice: Space.from_json(space) for choice, space in spaces.items()}
            return Categorical(opened, inline=described.get("inline", False), unless=unless)
        case {"choices": [*choices]}:
            return Categorical(*choices, unless=unless)
    raise SpaceError(f"no domain has the description {described!r}")


def _is_conditional(domain: Domain) -> bool:
    """Return whether the domain, or any that depends on its choices, has an `Unless`."""
    spaces = domain.spaces.values() if isinstance(domain, Categorical) else ()
    inner = (each for space in spaces for each in space.domains.values())
    return (not isinstance(domain, Fixed) and domain.unless is not None) or any(map(_is_conditional, inner))


def _recipe_spaces(domain: Domain) -> list[Space]:
    return list(domain.spaces.values()) if isinstance(domain, Categorical) and domain.inline else []
