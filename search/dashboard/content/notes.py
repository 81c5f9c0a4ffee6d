"""What people wrote about a study and what the program says about it, in one note of optuna-dashboard's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VERSION_KEY = "dashboard:note_ver"
PART_PREFIX = "dashboard:note_str:"

# Definitions of links that nothing refers to: Markdown shows nothing in their place.
BEGIN = "[//]: # (From here to the line END, this program writes what is so now. Write your own above or below.)"
END = "[//]: # (END)"
_SECTION = re.compile(rf"{re.escape(BEGIN)}.*?(?:{re.escape(END)}|\Z)\n*", re.DOTALL)


def read_note(attributes: Mapping[str, Any]) -> str:
    """Return a study's note as optuna-dashboard stores it, in parts."""
    parts = [name for name in attributes if name.startswith(PART_PREFIX)]
    return "".join(str(attributes.get(f"{PART_PREFIX}{place}", "")) for place in range(len(parts)))


def join_notes(own: str, section: str) -> str:
    """Return a note with the program's section; a section that somebody saved with their note gives way to it.

    own: what people wrote, which comes first unless they left the section where they found it.
    """
    marked = f"{BEGIN}\n\n{section.strip()}\n\n{END}\n"
    if _SECTION.search(own) is None:
        return f"{own.rstrip()}\n\n{marked}" if own.strip() else marked
    before, _, after = _SECTION.sub("\0", own, count=1).partition("\0")
    around = [text.strip() for text in (before, _SECTION.sub("", after))]
    return "\n\n".join(text for text in (around[0], marked, around[1]) if text)


def with_note(attributes: Mapping[str, Any], note: str) -> dict[str, Any]:
    """Return a study's attributes with another note, in one part."""
    others = {name: value for name, value in attributes.items() if not name.startswith(PART_PREFIX)}
    return {**others, VERSION_KEY: attributes.get(VERSION_KEY, 0), f"{PART_PREFIX}0": note}
