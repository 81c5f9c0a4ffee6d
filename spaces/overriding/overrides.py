"""Overrides of a space, written as text: `width=16:512`, `optimizer=nesterov,adamw`, `dropout=0.2`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from spaces.domains import Categorical, Domain
from spaces.errors import SpaceError
from spaces.overriding.offers import NO_OFFERS, Offers, get_options, open_option
from spaces.overriding.texts import change_domain, simplify
from spaces.space import Space
from spaces.suggestions import suggest


def override(space: Space, assignments: Sequence[str], offers: Offers = NO_OFFERS) -> Space:
    """Return a copy of `space` with each assignment applied in turn.

    `name=low:high` moves a range, `name=a,b` keeps some choices, `name=value` fixes a value. A name is either full
    (`nesterov.momentum`) or the last part of one (`momentum`, under every choice that has it). What the space lacks,
    a name, a choice or a choice's option, is added if it is offered, with the options of each added choice.

    Raises:
        SpaceError: there is no such name, or the value breaks the domain's rule.
    """
    changed = space
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not (name and equals and text):
            raise SpaceError(f"an override is name=low:high, name=a,b or name=value, but got {assignment!r}")
        changed = _assign(changed, name, text, offers)
    return _put_in_order(changed, space, offers)


def _assign(space: Space, name: str, text: str, offers: Offers) -> Space:
    targets = _find_targets(space, name, offers)
    if not targets and offers.qualified.get(name, name) in offers.domains:
        return _add(space, offers.qualified.get(name, name), text, offers)
    if not targets:
        opened = open_option(space, name, offers)
        if opened is None:
            raise SpaceError(_explain_missing(space, name, offers))
        space, targets = opened, _find_targets(opened, name, offers)
    return Space(dict(_apply(space, text, targets, "", offers.leave_to_shared(space))))


def _find_targets(space: Space, name: str, offers: Offers) -> set[str]:
    """Return the full names that an override's name stands for.

    Raises:
        SpaceError: it stands for options of the space, and for something else that could be added to it.
    """
    values = set(_list_values(space, ""))
    if name in offers.qualified:
        return {full for full in values if full.rpartition(".")[2] == offers.qualified[name]}
    names = [entry.name for entry in space.entries()]
    if name in names:
        return {name}
    found = {full for full in names if full.endswith(f".{name}")}
    other = next((spelled for spelled, meant in offers.qualified.items() if meant == name), None)
    if found and not found & values and other is not None and name not in offers.shared:
        raise SpaceError(f"{name!r} is an option of the space and more: write {_join((*sorted(found), other))}")
    return found


def _list_values(space: Space, prefix: str) -> Iterator[str]:
    """Yield the full names of the domains that give values of the configuration itself."""
    for name, domain in space.domains.items():
        yield prefix + name
        if isinstance(domain, Categorical) and domain.inline:
            for choice, inner in domain.spaces.items():
                yield from _list_values(inner, f"{prefix}{choice}.")


def _add(space: Space, name: str, text: str, offers: Offers) -> Space:
    owner = offers.owners.get(name)
    if owner is not None and owner not in space.names():
        raise SpaceError(f"{name!r} does nothing without {owner!r}, which the space has not; --set {owner}=... first")
    offered = offers.leave_to_shared(space)[name]
    return space.replace(**{name: simplify(change_domain(name, offered, text))})


def _apply(
    space: Space, text: str, targets: set[str], prefix: str, offered: Mapping[str, Domain]
) -> Iterator[tuple[str, Domain]]:
    """Yield the space's domains, those of the full names in `targets` changed."""
    for local, domain in space.domains.items():
        if prefix + local in targets:
            domain = change_domain(prefix + local, domain, text, offered.get(local))
        if isinstance(domain, Categorical) and domain.spaces:
            inner = {
                choice: dict(
                    _apply(
                        sub,
                        text,
                        targets,
                        f"{prefix}{choice}.",
                        offered if domain.inline else get_options(offered.get(local), choice).domains,
                    )
                )
                for choice, sub in domain.spaces.items()
            }
            spaces = {choice: Space(found) for choice, found in inner.items()}
            domain = Categorical(spaces, inline=domain.inline, unless=domain.unless)
        yield local, domain


def _put_in_order(changed: Space, space: Space, offers: Offers) -> Space:
    """Return the changed space with what was added behind the rest, in the order of the offers: flags may swap."""
    added = [name for name in offers.domains if name in changed.domains and name not in space.domains]
    return Space({name: changed.domains[name] for name in (*space.domains, *added)})


def _explain_missing(space: Space, name: str, offers: Offers) -> str:
    """Return why an override cannot change this name."""
    owners = offers.find_owners(name)
    if owners:
        chooser, choice = owners[0]
        named = _join(tuple(f"{chooser} {choice}" for chooser, choice in owners))
        return f"the space has no {name!r}, an option of {named}; --set {chooser}={choice} first"
    if name in offers.refused:
        return f"the space has no {name!r}{offers.refused[name]}"
    choosers = offers.find_choosers(name)
    if choosers:
        return f"the space has no {name!r}, which is a choice: --set {choosers[0]}={name}"
    names = [entry.name for entry in space.entries()]
    more = "; search space --catalogue lists what may be added" if offers.domains else ""
    hint = suggest(name, (*names, *offers.domains), otherwise=f"it has {', '.join(names)}{more}")
    return f"the space has no {name!r}; {hint}"


def _join(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
