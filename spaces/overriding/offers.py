"""What overrides may add to a space, beside changing what it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from spaces.domains import Categorical, Domain, Fixed, Scalar
from spaces.space import Space


@dataclass(frozen=True, kw_only=True)
class Offers:
    """Domains that a space may get by an override, and the widest limits of those that it has.

    domains: by name, in the order in which they are added. A choice's sub-space has all options of that choice.
    defaults: the choice that applies where a space does not name one.
    shared: names that give a value to the options of the same name, of every choice that has one.
    owners: the name that has to be in the space for this one to mean anything.
    qualified: further spellings of names, for one that is also an option.
    refused: for names that cannot be added, why not: a clause that goes on from "the space has no NAME".
    """

    domains: Mapping[str, Domain] = field(default_factory=dict)
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    shared: Collection[str] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    qualified: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def leave_to_shared(self, space: Space) -> dict[str, Domain]:
        """Return the domains without those options that a shared name of the space already gives."""
        taken = set(self.shared).intersection(space.names())
        return {name: _drop_options(domain, taken) for name, domain in self.domains.items()}

    def find_owners(self, name: str) -> list[tuple[str, Scalar]]:
        """Return the choices that have an option `name` (or `<choice>.<option>`), each after the name that chooses."""
        return [
            (chooser, choice)
            for chooser, domain in self.domains.items()
            if isinstance(domain, Categorical)
            for choice in domain.choices
            if find_option(domain, choice, name) is not None
        ]

    def find_choosers(self, choice: str) -> list[str]:
        """Return the names that may have this choice."""
        return [
            name
            for name, domain in self.domains.items()
            if isinstance(domain, Categorical) and choice in domain.choices and domain.spaces
        ]


NO_OFFERS = Offers()


def find_option(offered: Domain | None, choice: Scalar, name: str) -> str | None:
    """Return the option of a choice that `name` means, which is the option or `<choice>.<option>`; None if none."""
    if not isinstance(offered, Categorical) or str(choice) not in offered.spaces:
        return None
    wanted, _, option = name.rpartition(".")
    has_it = wanted in ("", choice) and option in offered.spaces[str(choice)].domains
    return option if has_it else None


def open_option(space: Space, name: str, offers: Offers) -> Space | None:
    """Return the space with an option (or `<choice>.<option>`) for each of its choices that may have it.

    The option begins with its own default domain. None if there is no such choice.
    """
    offered = offers.leave_to_shared(space)
    opened = Space(dict(_open_choices(space, name, offered)))
    known = space.names()
    defaults = {
        chooser: _open(Fixed(default), offered.get(chooser), name)
        for chooser, default in offers.defaults.items()
        if chooser not in known
    }
    added = {chooser: domain for chooser, domain in defaults.items() if isinstance(domain, Categorical)}
    found = opened.replace(**added)
    return found if _list_names(found) != _list_names(space) else None


def _list_names(space: Space) -> list[str]:
    return [entry.name for entry in space.entries()]


def _open_choices(space: Space, name: str, offered: Mapping[str, Domain]) -> Iterator[tuple[str, Domain]]:
    for local, domain in space.domains.items():
        if isinstance(domain, Categorical) and domain.inline:
            spaces = {choice: Space(dict(_open_choices(sub, name, offered))) for choice, sub in domain.spaces.items()}
            yield local, Categorical(spaces, inline=True, unless=domain.unless)
        else:
            yield local, _open(domain, offered.get(local), name)


def _open(domain: Domain, offered: Domain | None, name: str) -> Domain:
    """Return the domain with the option under every choice that may have it and has not; as it is if none may."""
    if not isinstance(domain, Categorical | Fixed) or not isinstance(offered, Categorical):
        return domain
    choices = domain.choices if isinstance(domain, Categorical) else (domain.value,)
    options = {choice: find_option(offered, choice, name) for choice in choices}
    missing = {
        choice: {option: offered.spaces[str(choice)].domains[option]}
        for choice, option in options.items()
        if option is not None and option not in get_options(domain, choice).domains
    }
    if not missing:
        return domain
    return Categorical(
        {str(choice): get_options(domain, choice).replace(**missing.get(choice, {})) for choice in choices},
        unless=None if isinstance(domain, Fixed) else domain.unless,
    )


def get_options(domain: Domain | None, choice: Scalar) -> Space:
    """Return the sub-space of a domain's choice; an empty one if it has none."""
    found = domain.spaces.get(str(choice)) if isinstance(domain, Categorical) else None
    return found if isinstance(found, Space) else Space()


def _drop_options(domain: Domain, names: Collection[str]) -> Domain:
    if not isinstance(domain, Categorical) or not domain.spaces or not names:
        return domain
    return Categorical(
        {
            choice: Space({name: inner for name, inner in space.domains.items() if name not in names})
            for choice, space in domain.spaces.items()
        }
    )
