"""Spaces as storages of schema version 3 keep them: the rows that `Space.describe` gave, read as structured data.

The texts are those of that version and do not change with `Space.describe`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

_NUMBER = r"-?[0-9.]+(?:e[+-]?[0-9]+)?"
RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})( log)?(?: step ({_NUMBER}))?")
# One choice of several: quoted, or anything without a comma.
CHOICE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]+""")


def convert_rows(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return what `Space.to_json` gives for the space of these rows, [name, range, condition] each.

    Recipes (inline choices) come back as choices with spaces of their own, which have the same parameters.
    """
    space: dict[str, Any] = {}
    domains: dict[str, dict[str, Any]] = {}
    for name, text, condition in rows:  # a parent comes before what depends on it
        domains[name] = _parse_domain(text)
        local = name.rpartition(".")[2]
        if not condition:
            space[local] = domains[name]
            continue
        parent, _, choice = condition.partition(" = ")
        opening = domains[parent]
        opening["spaces"] = opening["spaces"] or {each: {} for each in opening["choices"]}
        opening["spaces"][choice][local] = domains[name]
    return space


def _parse_domain(text: str) -> dict[str, Any]:
    if text.startswith("= "):
        return {"fixed": _parse_value(text.removeprefix("= "))}
    found = RANGE.fullmatch(text)
    if found is None:
        return {"choices": [_parse_value(choice) for choice in CHOICE.findall(text)], "spaces": {}}
    low, high, step = (None if number is None else ast.literal_eval(number) for number in found.group(1, 2, 4))
    # A Float's ends are shown with a point or an exponent, an Int's without.
    kind, no_step = ("int", 1) if isinstance(low, int) else ("float", None)
    return {kind: [low, high], "log": found[3] is not None, "step": no_step if step is None else step}


def _parse_value(text: str) -> Any:
    is_name = text.isidentifier() and text not in ("None", "True", "False")
    return text if is_name else ast.literal_eval(text)
