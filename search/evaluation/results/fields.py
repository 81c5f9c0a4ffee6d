"""Reading frozen values from the JSON that the ledger keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known_fields(cls: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a document that the dataclass `cls` has fields for.

    A field that an earlier version of this program did not store keeps its default, and one of a later version
    is left out.
    """
    return {field.name: document[field.name] for field in fields(cls) if field.name in document}


def pair(values: tuple[float, float] | list[float]) -> tuple[float, float]:
    """Return both ends of an interval; JSON has lists only."""
    low, high = values
    return low, high
