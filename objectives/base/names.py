"""Names of objectives, as text: what one is, and what is the path of a file."""

from __future__ import annotations

from typing import NewType

from objectives.base.errors import ObjectiveError

LONGEST_NAME = 200

ObjectiveName = NewType("ObjectiveName", str)
"""What `parse_name` has let pass: the name of an objective, which no code takes for the path of a file."""


def is_path(reference: str) -> bool:
    """Return whether a reference means a file, not a name."""
    return reference.endswith(".py") or "/" in reference


def parse_name(text: object) -> ObjectiveName:
    """Return a text as the name of an objective.

    Raises:
        ObjectiveError: it is the path of a file, or it cannot be a name.
    """
    shown = repr(text)[:100]
    if not isinstance(text, str):
        raise ObjectiveError(f"{shown} is not the name of an objective, which is a text")
    if is_path(text) or "\\" in text:
        raise ObjectiveError(f"{shown} is the path of a file, not the name of an objective")
    if not (text.isprintable() and text.strip() == text and 0 < len(text) <= LONGEST_NAME and text[0] not in ".-"):
        raise ObjectiveError(
            f"{shown} is not the name of an objective, which has 1 to {LONGEST_NAME} printable characters and begins "
            "with neither a dot nor a dash"
        )
    return ObjectiveName(text)
