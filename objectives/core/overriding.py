"""Overrides of an objective's space: what it has can be changed, and any technique of the catalogue added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from objectives.base.registry import choose
from objectives.base.technique import name_of
from objectives.core.catalogue import CATALOGUE, Group
from objectives.core.objective import Objective
from objectives.models.catalogue import MODELS
from spaces import Domain, Offers, Scalar, Space, override, standard

PLAIN: dict[str, Domain] = {"learning_rate": standard.learning_rate(), "batch_size": standard.batch_size()}
"""Fields of the training that belong to no technique."""
SHARED = ("learning_rate", "weight_decay")
"""Fields that every optimizer's options take their value from (see `TrainingConfig.optimizer_choice`)."""


def override_objective(objective: Objective, assignments: Sequence[str]) -> Objective:
    """Return the objective with its space changed by these assignments, as `spaces.override` reads them.

    A technique that the space lacks is added with its default ranges, if the network or the training reads it.

    Raises:
        SpaceError: there is no such name, the objective cannot use it, or a value is beyond its limits.
        ObjectiveError: the changed space breaks a condition of a technique.
    """
    if not assignments:
        return objective
    return replace(objective, space=override(objective.space, assignments, list_offers(objective)))


def list_offers(objective: Objective) -> Offers:
    """Return what overrides may add to the objective's space, and why not the rest of the catalogue."""
    read = objective.read_fields()
    known = {name: domain for group in CATALOGUE if group.searched for name, domain in _list_domains(group, objective)}
    domains = {name: domain for name, domain in {**PLAIN, **known}.items() if name in read}
    if objective.network is None:
        domains.pop("reuse", None)  # it needs the stages of a shipped network
    return Offers(
        domains=domains,
        defaults=_find_defaults(objective, domains),
        shared=SHARED,
        owners={
            option: owner for option, owner in _list_parts() if {option, owner} <= domains.keys() and option != owner
        },
        qualified={f"{kind}.{name}": name for kind, name in _list_qualified() if name in domains},
        refused={name: reason for name, reason in _refuse(objective, domains) if name not in domains},
    )


def _list_domains(group: Group, objective: Objective) -> Iterator[tuple[str, Domain]]:
    """Yield the fields of a configuration that a group's entries give a domain to."""
    if group.entries is MODELS:
        yield from (objective.network.space if objective.network else Space()).domains.items()
    elif group.field is not None:
        yield group.field, choose(group.entries)
    else:
        for entry in group.entries.values():
            yield from entry.space.domains.items()


def _find_defaults(objective: Objective, domains: dict[str, Domain]) -> dict[str, Scalar]:
    """Return the technique that each group's field names where the space has not got the field."""
    values = objective.field_defaults()
    names = {group.field: name_of(values.get(group.field)) for group in CATALOGUE if group.field in domains}
    return {field: name for field, name in names.items() if field is not None and isinstance(name, str)}


def _list_parts() -> Iterator[tuple[str, str]]:
    """Yield the fields that go with another, each with the one that switches the technique on."""
    for group in CATALOGUE:
        if group.field is None:
            for name, entry in group.entries.items():
                yield from ((option, name) for option in entry.space.domains)


def _list_qualified() -> Iterator[tuple[str, str]]:
    for group in CATALOGUE:
        if group.field is None:
            yield from ((group.kind, name) for name in group.entries)


def _refuse(objective: Objective, offered: Mapping[str, Domain]) -> Iterator[tuple[str, str]]:
    """Yield every field that is not offered, and its options, with the reason why this objective cannot add it."""
    for group in CATALOGUE:
        for name, entry in group.entries.items():
            field = group.field_of(name)
            for option in (field, *entry.space.domains) if field not in offered else ():
                yield option, _explain(objective, group, option if group.field is None else field)


def _explain(objective: Objective, group: Group, field: str) -> str:
    """Return why the objective cannot use a field: what follows after "the space has no NAME"."""
    if not group.searched:
        return ": variants are chosen at the final step, with search final --variant"
    if objective.train is not None:
        return (
            ", and the objective's own `train` reads only what its space names: "
            "to search over it, add it to the space in the objective's file, and read it there"
        )
    if group.entries is MODELS:
        return f": the network is the objective's own ({objective.model or 'build_model'}); choose another objective"
    if objective.network is None and field == "reuse":
        return ": only a shipped network has stages to reuse, but the objective builds its own with `build_model`"
    if objective.network is None:
        return (
            f", and the network is built by the objective's own `build_model`: to search over {field}, add it to the "
            "space in the objective's file, and read it there"
        )
    having = [name for name, entry in MODELS.items() if field in entry.config.__dataclass_fields__]
    return f": the network {objective.model!r} has no {field} (it is there with {', '.join(having)})"
