"""Values of the Python API that have another type than the flags of the command line."""

from __future__ import annotations

from typing import get_args, get_type_hints

from search.errors import UsageError

KINDS = {int: "a whole number", float: "a number", str: "a text"}


def check_types(request: object) -> None:
    """Raise `UsageError` if a field holds a value of another type, as only callers of the Python API can give."""
    for name, hint in get_type_hints(type(request)).items():
        value = getattr(request, name)
        kinds = [kind for kind in KINDS if kind is hint or kind in get_args(hint)]
        accepted = (*kinds, int) if float in kinds else tuple(kinds)
        if value is None or not kinds or name == "budget":  # parse_budget explains numbers
            continue
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise UsageError(f"--{name.replace('_', '-')} takes {KINDS[kinds[0]]}, but got {str(value)[:60]!r}")
