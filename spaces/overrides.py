"""Overrides of a space, written as text: `width=16:512`, `optimizer=nesterov,adamw`, `dropout=0.2`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar
from spaces.errors import SpaceError
from spaces.space import Space
from spaces.suggestions import suggest

WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None}


def override(space: Space, assignments: Sequence[str]) -> Space:
    """Return a copy of `space` with each assignment applied in turn.

    `name=low:high` moves a range, `name=a,b` keeps some choices, `name=value` fixes a value. A name is either full
    (`nesterov.momentum`) or the last part of one (`momentum`, under every choice that has it).

    Raises:
        SpaceError: there is no such name, or the value breaks the domain's rule.
    """
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not (name and equals and text):
            raise SpaceError(f"an override is name=low:high, name=a,b or name=value, but got {assignment!r}")
        space = _apply(space, name, text, _find_targets(space, name), "")
    return space


def _find_targets(space: Space, name: str) -> set[str]:
    """Return the full names that an override's name stands for."""
    names = [entry.name for entry in space.entries()]
    found = {full for full in names if full == name or full.endswith(f".{name}")}
    if not found:
        hint = suggest(name, names, otherwise=f"it has {', '.join(names)}")
        raise SpaceError(f"the space has no {name!r}; {hint}")
    return found


def _apply(space: Space, name: str, text: str, targets: set[str], prefix: str) -> Space:
    domains: dict[str, Domain] = {}
    for local, domain in space.domains.items():
        if prefix + local in targets:
            domain = _change_domain(prefix + local, domain, text)
        if isinstance(domain, Categorical) and domain.spaces:
            domain = Categorical(
                {
                    choice: _apply(sub, name, text, targets, f"{prefix}{choice}.")
                    for choice, sub in domain.spaces.items()
                },
                inline=domain.inline,
            )
        domains[local] = domain
    return Space(domains)


def _change_domain(name: str, domain: Domain, text: str) -> Domain:
    try:
        if isinstance(domain, Categorical):
            return _keep_choices(domain, text.split(","))
        return _change_fixed(domain, text) if isinstance(domain, Fixed) else _change_range(domain, text)
    except SpaceError as error:
        shown = text if text.isprintable() else repr(text)
        raise SpaceError(f"override {name}={shown}: {error}") from None


def _keep_choices(domain: Categorical, texts: list[str]) -> Categorical:
    exact = {str(choice): choice for choice in domain.choices}
    by_text = {text.lower(): choice for text, choice in exact.items()} | exact
    chosen = []
    for text in (part.strip() for part in texts):
        if text not in by_text and text.lower() not in by_text:
            raise SpaceError(f"{text!r} is not one of its choices ({domain})")
        chosen.append(by_text[text] if text in by_text else by_text[text.lower()])
    if domain.spaces:
        kept = {str(choice): domain.spaces[str(choice)] for choice in dict.fromkeys(chosen)}
        return Categorical(kept, inline=domain.inline)
    return Categorical(*dict.fromkeys(chosen), unless=domain.unless)


def _change_fixed(domain: Fixed, text: str) -> Domain:
    """Return another value (or range) of the same kind as the fixed one."""
    value = domain.value
    if isinstance(domain.domain, Categorical):
        kept = _keep_choices(domain.domain, text.split(","))
        return Fixed(kept.choices[0], domain=domain.domain) if len(kept.choices) == 1 else kept
    if domain.domain is not None:
        return _change_range(domain.domain, text)
    if isinstance(value, bool):
        if not isinstance(WORDS.get(text.lower()), bool):
            raise SpaceError(f"{text!r} is neither true nor false")
        return Fixed(WORDS[text.lower()])
    if isinstance(value, int | float):
        return _change_range(Int(value, value) if isinstance(value, int) else Float(value, value), text)
    return Fixed(text if isinstance(value, str) else _parse_scalar(text))


def _change_range(domain: Int | Float, text: str) -> Domain:
    if ":" in text:
        low, high = (_parse_number(domain, part) for part in _split_range(text))
        return _move_ends(domain, low, high)
    values = [_parse_number(domain, part) for part in text.split(",")]
    for value in values:
        _move_ends(domain, value, value)  # a single value is checked like a range
    if len(values) == 1:
        return Fixed(values[0], domain=domain)
    return Categorical(*values, unless=domain.unless)


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
        raise SpaceError(f"{text.strip()!r} is not a number") from None
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
