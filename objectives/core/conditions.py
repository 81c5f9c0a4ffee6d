"""Checks that every configuration of a space makes sense, made when the space is defined and not in a trial."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice, check_option, look_up
from objectives.base.technique import Condition, name_of
from objectives.core.catalogue import CATALOGUE, Group, entries
from objectives.optimizers.catalogue import OPTIMIZERS
from spaces import Categorical, Choice, Domain, Fixed, Scalar, Space, corners, ends

NOTHING = object()
NOT_IN_A_SPACE = ("model", "validation")
"""What a condition may name beside fields of a space."""


def check_options(space: Space, read: Collection[str]) -> None:
    """Raise `ObjectiveError` unless every name is known and every option exists and stays within its limits.

    read: the fields that shipped code reads; other names of the space are not checked. The message names the entry
    and the option.
    """
    for name, domain in space.values():
        for group in CATALOGUE if name in read else ():
            if group.field == name:
                for chosen, options in _list_choices(domain):
                    entry = look_up(group.entries, chosen, group.kind)
                    for option, value in options:
                        check_option(entry, f"{group.kind} {chosen!r}", option, value)
            elif group.field is None:
                _check_number(group, name, domain)


def check_conditions(space: Space, defaults: Mapping[str, object]) -> None:
    """Raise `ObjectiveError` if a configuration of the space breaks a condition of a technique that it uses.

    defaults: the values of fields that the space does not name; a condition on a field that is in neither does not
    apply. The message names both sides.
    """
    for group, name, entry in entries():
        broken = {
            condition: next(_find_breaches(space, defaults, group, name, condition), NOTHING)
            for condition in entry.conditions
        }
        found = {condition: value for condition, value in broken.items() if value is not NOTHING}
        if found:
            raise ObjectiveError(_describe_breaches(group, name, found))


def check_stages(space: Space) -> None:
    """Raise `ObjectiveError` if the space may reuse more stages than its network has; the message has both numbers."""
    for corner in corners(space, {"reuse", "depth"}):
        reuse = as_choice(corner.get("reuse", "none"))
        layers = reuse.options.get("layers", 0)
        if layers > corner.get("depth", layers):
            raise ObjectiveError(
                f"reuse {reuse.name!r} takes layers={layers} stages, but the network may have depth={corner['depth']}; "
                f"use --set layers={corner['depth']} at most, or a depth of at least {layers}"
            )


def _describe_breaches(group: Group, name: str, broken: Mapping[Condition, object]) -> str:
    """Return what an entry needs, what the space gives it instead, and the way out."""
    rules = " and ".join(map(str, broken))
    others = " and ".join(f"{condition.field} {value!s}" for condition, value in broken.items())
    needed = " ".join(
        f"--set {condition.field}={str(condition.values[0]).lower()}"
        for condition in broken
        if not condition.forbids and condition.field not in NOT_IN_A_SPACE
    )
    ways = f"drop one of the two, {f'give it {needed}, ' if needed else ''}or separate them by recipes"
    return f"{group.kind} {name!r} {rules}, but the space also gives it {others}; {ways} (an inline Categorical)"


def check_places(space: Space) -> None:
    """Raise `ObjectiveError` if a searched learning rate or weight decay has no effect, as an optimizer brings its own.

    An optimizer's options count before the configuration's fields of the same names.
    """
    for name in ("learning_rate", "weight_decay"):
        for corner in corners(space, {name, "optimizer"}):
            chosen = corner.get("optimizer")
            if name in corner and isinstance(chosen, Choice) and chosen.options.get(name):
                _refuse_second(space, name, chosen.name)


def _refuse_second(space: Space, name: str, optimizer: str) -> None:
    if any(each == name and not isinstance(domain, Fixed) for each, domain in space.values()):
        raise ObjectiveError(
            f"the space has {name!r} twice, for all optimizers and as an option of optimizer {optimizer!r}, where the "
            f"first has no effect; drop one of the two"
        )


def describe_advice(space: Space) -> tuple[str, ...]:
    """Return a sentence for each combination of the space that works, but for which there is a better one."""
    penalized = {
        str(name_of(corner["optimizer"]))
        for corner in corners(space, {"optimizer", "l2"})
        if corner.get("l2") and "optimizer" in corner
    }
    adaptive = [name for name in OPTIMIZERS if name in penalized and OPTIMIZERS[name].is_adaptive]
    if not adaptive:
        return ()
    return (
        f"l2 with optimizer {' or '.join(adaptive)}: the penalty's gradient is divided by the gradients' size, so "
        "weights with large gradients shrink less; optimizer adamw with weight_decay shrinks all alike",
    )


def _find_breaches(
    space: Space, defaults: Mapping[str, object], group: Group, name: str, condition: Condition
) -> Iterator[object]:
    """Yield the values of the condition's field that a configuration may combine with the entry, against the rule."""
    field = group.field_of(name)
    for corner in corners(space, {field, condition.field}):
        config = {**defaults, **corner}
        if field in config and condition.field in config and group.uses(config[field], name):
            value = config[condition.field]
            if condition.is_broken_by(value):
                yield name_of(value)


def _list_choices(domain: Domain) -> Iterator[tuple[str, list[tuple[str, Scalar]]]]:
    """Yield the names that a domain may give, each with the ends of its options' ranges."""
    if isinstance(domain, Categorical):
        for choice in domain.choices:
            options = domain.spaces[str(choice)].values() if domain.spaces else ()
            yield str(choice), [(option, end) for option, inner in options for end in ends(inner)]
    elif isinstance(domain, Fixed):
        yield str(domain.value), []


def _check_number(group: Group, name: str, domain: Domain) -> None:
    for owner, entry in group.entries.items():
        if name in entry.space.domains:
            for value in ends(domain):
                if name != owner or value:  # zero, False and None switch it off
                    check_option(entry, f"{group.kind} {owner!r}", name, value)
