"""The ends of a domain's range, and the limits that no value may leave."""

from __future__ import annotations

import math

from spaces.domains import Categorical, Domain, Fixed, Int, Scalar


def find_broken_limit(domain: Domain, value: object) -> str | None:
    """Return the rule that a value of this domain breaks, or None; its range does not count.

    A number must stay within `at_least` and `at_most`, also those of a domain that was fixed; a choice must be one
    of the choices.
    """
    limits = domain.domain if isinstance(domain, Fixed) else domain
    if isinstance(limits, Categorical):
        return None if value in limits.choices else f"must be one of {limits}"
    if limits is None:
        return None
    whole = isinstance(limits, Int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return f"must be a {'whole ' if whole else ''}number"
    if not math.isfinite(value) or (limits.at_least is not None and value < limits.at_least):
        return f"must be at least {limits.at_least}" if math.isfinite(value) else "must be finite"
    return f"must be at most {limits.at_most}" if limits.at_most is not None and value > limits.at_most else None


def ends(domain: Domain) -> list[Scalar]:
    """Return all choices of a categorical domain, or both ends of a range."""
    if isinstance(domain, Categorical):
        return list(domain.choices)
    return [domain.value] if isinstance(domain, Fixed) else list(dict.fromkeys((domain.low, domain.high)))
