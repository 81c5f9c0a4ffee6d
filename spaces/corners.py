"""The corners of a space: a rule that holds in all of them holds everywhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from spaces.configuration import Choice, Configuration
from spaces.domains import Categorical, Domain, Scalar
from spaces.limits import ends
from spaces.space import Space


def corners(space: Space, names: Collection[str]) -> Iterator[Configuration]:
    """Yield every combination of the extreme values of these names: all choices, and both ends of each range.

    Other names are left out, except those of inline choices, which decide what else there is. A rule that depends on
    these names only, and monotonically on each number, holds everywhere if it holds in all corners.
    """
    combined: list[Mapping[str, Scalar | Choice]] = [{}]
    for name, domain in space.domains.items():
        found = list(_domain_corners(name, domain, names))
        combined = [{**first, **second} for first in combined for second in found]
    yield from map(Configuration, combined)


def _domain_corners(name: str, domain: Domain, names: Collection[str]) -> Iterator[Mapping[str, Scalar | Choice]]:
    """Yield what one domain may add to a configuration of these names."""
    if isinstance(domain, Categorical) and domain.inline:
        for choice, space in domain.spaces.items():
            yield from ({name: choice, **corner} for corner in corners(space, names))
    elif name not in names:
        yield {}
    elif isinstance(domain, Categorical) and domain.spaces:
        for choice, space in domain.spaces.items():
            yield from ({name: Choice(choice, corner)} for corner in corners(space, space.names()))
    else:
        yield from ({name: value} for value in ends(domain))
