"""The text of one override, read as a change of one domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar
from spaces.errors import SpaceError
from spaces.overriding.offers import get_options
from spaces.suggestions import suggest

WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None}


def change_domain(name: str, domain: Domain, text: str, offered: Domain | None = None) -> Domain:
    """Return what the override `name=text` makes of a domain.

    offered: a domain with further choices, and the limits of a range that has none of its own.

    Raises:
        SpaceError: the text breaks the domain's rule; the message has the override.
    """
    try:
        if isinstance(domain, Categorical):
            return _choose(domain, text, offered)
        if isinstance(domain, Fixed):
            return _change_fixed(domain, text, offered)
        return _change_range(_limit(domain, offered), text)
    except SpaceError as error:
        shown = text if text.isprintable() else repr(text)
        raise SpaceError(f"override {name}={shown}: {error}") from None


def simplify(domain: Domain) -> Domain:
    """Return choices without any options as plain ones, and a single one of these as a fixed value."""
    if not isinstance(domain, Categorical) or any(space.domains for space in domain.spaces.values()):
        return domain
    return Fixed(domain.choices[0]) if len(domain.choices) == 1 else Categorical(*domain.choices, unless=domain.unless)


def _choose(domain: Categorical, text: str, offered: Domain | None) -> Domain:
    """Return the choices that a text names: the domain's own or, where one is not, also offered ones."""
    texts = [part.strip() for part in text.split(",")]
    own = _read_choices(domain)
    if offered is None or domain.inline or all(part in own or part.lower() in own for part in texts):
        return _keep(domain, texts)
    if not isinstance(offered, Categorical):
        return _change_fixed(offered, text, None) if isinstance(offered, Fixed) else _change_range(offered, text)
    kept = _keep(_join(domain, offered), texts)
    opened = domain.spaces or any(space.domains for space in kept.spaces.values())
    return kept if opened else Categorical(*kept.choices, unless=domain.unless)


def _join(domain: Categorical, offered: Categorical) -> Categorical:
    """Return the choices of both, each with its options; the first one's where both have it."""
    names = dict.fromkeys((*domain.choices, *offered.choices))
    if not (domain.spaces or offered.spaces):
        return Categorical(*names, unless=domain.unless)
    spaces = {str(name): get_options(domain if name in domain.choices else offered, name) for name in names}
    return Categorical(spaces, unless=domain.unless)


def _read_choices(domain: Categorical) -> dict[str, Scalar]:
    """Return the choices by their texts, and by these in lower case where that is no other choice."""
    exact = {str(choice): choice for choice in domain.choices}
    return {text.lower(): choice for text, choice in exact.items()} | exact


def _keep(domain: Categorical, texts: Sequence[str]) -> Categorical:
    """Return the domain with these of its choices only, in the order given."""
    by_text = _read_choices(domain)
    chosen = []
    for text in texts:
        if text not in by_text and text.lower() not in by_text:
            hint = suggest(text, by_text)
            raise SpaceError(f"{text!r} is not one of its choices ({domain})" + (f"; {hint}" if hint else ""))
        chosen.append(by_text[text] if text in by_text else by_text[text.lower()])
    if domain.spaces:
        kept = {str(choice): domain.spaces[str(choice)] for choice in dict.fromkeys(chosen)}
        return Categorical(kept, inline=domain.inline, unless=domain.unless)
    return Categorical(*dict.fromkeys(chosen), unless=domain.unless)


def _change_fixed(domain: Fixed, text: str, offered: Domain | None) -> Domain:
    """Return another value (or range) of the same kind as the fixed one, or what is offered in its place."""
    value, limits = domain.value, _get_range(offered)
    if isinstance(domain.domain, Categorical):
        kept = simplify(_choose(domain.domain, text, offered))
        return replace(kept, domain=domain.domain) if isinstance(kept, Fixed) else kept
    if domain.domain is not None:
        return _change_range(_limit(domain.domain, offered), text)
    if isinstance(offered, Categorical):
        return simplify(_choose(Categorical(value), text, offered))
    if isinstance(value, bool):
        if not isinstance(WORDS.get(text.lower()), bool):
            raise SpaceError(f"{text!r} is neither true nor false")
        return Fixed(WORDS[text.lower()])
    if isinstance(value, int | float):
        own = Int(value, value) if isinstance(value, int) else Float(value, value)
        return _change_range(own if limits is None else limits, text)
    return Fixed(text if isinstance(value, str) else _parse_scalar(text))


def _get_range(offered: Domain | None) -> Int | Float | None:
    """Return the offered range, which a fixed value may have as well."""
    inner = offered.domain if isinstance(offered, Fixed) else offered
    return inner if isinstance(inner, Int | Float) else None


def _limit(domain: Int | Float, offered: Domain | None) -> Int | Float:
    """Return the range with the limits of the offered one wherever it has none."""
    limits = _get_range(offered)
    if limits is None or type(limits) is not type(domain):
        return domain
    ends = {name: getattr(limits, name) for name in ("at_least", "at_most") if getattr(domain, name) is None}
    return replace(domain, **ends)


def _change_range(domain: Int | Float, text: str) -> Domain:
    if ":" in text:
        low, high = (_parse_number(domain, part) for part in _split_range(text))
        return _move_ends(domain, low, high)
    values = [_parse_number(domain, part) for part in text.split(",")]
    for value in values:
        _check_value(domain, value)
    if len(values) == 1:
        return Fixed(values[0], domain=domain)
    return Categorical(*values, unless=domain.unless)


def _check_value(domain: Int | Float, value: int | float) -> None:
    """Raise `SpaceError` unless a single value keeps to the limits; zero may be one of a logarithmic range, too."""
    if value == 0 and domain.log and domain.at_least == 0:
        return
    _move_ends(domain, value, value)


def _move_ends(domain: Int | Float, low: float, high: float) -> Int | Float:
    if isinstance(domain, Int):
        return replace(domain, low=int(low), high=int(high))
    return replace(domain, low=low, high=high)


def _split_range(text: str) -> list[str]:
    parts = text.split(":")
    if len(parts) != 2:
        raise SpaceError("a range is low:high")
    return parts


def _parse_number(domain: Int | Float, text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        raise SpaceError(
            f"{text.strip()!r} is not a number; write name=value, name=low:high for a range, or name=a,b for a choice"
        ) from None
    if isinstance(domain, Float):
        return value
    if not value.is_integer():
        raise SpaceError(f"{text.strip()!r} is not a whole number")
    return int(value)


def _parse_scalar(text: str) -> Scalar:
    return WORDS[text.lower()] if text.lower() in WORDS else parse_number_or_text(text)


def parse_number_or_text(text: str) -> int | float | str:
    """Return the number that a text stands for, as an int if it is one; the text itself if it is no number."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
