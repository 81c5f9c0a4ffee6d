"""Names that a user may have meant by one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 3


def find_close(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return at most three known names that are spelled like `name`, the closest first; case does not matter."""
    by_lower_case = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), by_lower_case, n=MOST)
    return tuple(by_lower_case[match] for match in close)


def suggest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return `did you mean a or b?`, or `otherwise` if no known name is close."""
    close = find_close(name, known)
    return f"did you mean {' or '.join(close)}?" if close else otherwise


def suggest_and_list(name: str, known: Iterable[str]) -> str:
    """Return close names, if any, and the whole list: `did you mean a? known: a, b, c`."""
    names = list(known)
    return f"{suggest(name, names)} known: {', '.join(names)}".lstrip()
