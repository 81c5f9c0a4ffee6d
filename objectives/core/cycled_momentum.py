"""Where a schedule moves the momentum, the optimizer's own momentum or beta1 has no effect, so it is not searched."""

from __future__ import annotations

from dataclasses import replace

from objectives.base.technique import name_of
from objectives.optimizers.catalogue import CYCLED_OPTIONS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Domain, Fixed, Space, Unless, corners

FIELD = "schedule"


def separate_cycled_momentum(space: Space, default_schedule: str) -> Space:
    """Return the space in which a momentum or beta1 is a parameter only beside schedules that leave it alone.

    It is left out if all schedules of the space move it. default_schedule: what is trained with where the space has no
    schedule.
    """
    used = {str(name_of(corner.get(FIELD, default_schedule))) for corner in corners(space, {FIELD})}
    cycling = tuple(name for name in SCHEDULES if name in used and SCHEDULES[name].momentum is not None)
    return _change_space(space, cycling, always=len(cycling) == len(used))


def _change_space(space: Space, cycling: tuple[str, ...], *, always: bool) -> Space:
    return Space({name: _change_choice(name, domain, cycling, always) for name, domain in space.domains.items()})


def _change_choice(name: str, domain: Domain, cycling: tuple[str, ...], always: bool) -> Domain:
    """Change the options of every optimizer, wherever it stands."""
    if not isinstance(domain, Categorical) or not domain.spaces or not (domain.inline or name == "optimizer"):
        return domain
    change = _change_space if domain.inline else _change_options
    spaces = {choice: change(options, cycling, always=always) for choice, options in domain.spaces.items()}
    return Categorical(spaces, inline=domain.inline, unless=domain.unless)


def _change_options(options: Space, cycling: tuple[str, ...], *, always: bool) -> Space:
    moved = {name for name in CYCLED_OPTIONS if not isinstance(options.domains.get(name, Fixed(None)), Fixed)}
    unless = Unless(FIELD, cycling) if cycling else None
    return Space(
        {
            name: _set_condition(domain, unless) if name in moved else domain
            for name, domain in options.domains.items()
            if not (name in moved and always)
        }
    )


def _set_condition(domain: Domain, unless: Unless | None) -> Domain:
    if isinstance(domain, Categorical):
        return Categorical(*domain.choices, unless=unless)
    return domain if isinstance(domain, Fixed) else replace(domain, unless=unless)
