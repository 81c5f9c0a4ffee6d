"""TOML, which the standard library reads but does not write."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(tables: Mapping[str, Mapping[str, object]], comment: str) -> str:
    """Return a document of tables with scalars, lists of scalars and further tables; what is None is left out.

    comment: one line, which comes first.
    """
    parts = [f"# {comment.translate(_NO_CONTROLS)}\n", *(_write_table((name,), rows) for name, rows in tables.items())]
    return "\n".join(parts)


_NO_CONTROLS = dict.fromkeys((*range(32), 127), "?")


def _write_table(path: tuple[str, ...], rows: Mapping[str, object]) -> str:
    inner = {name: value for name, value in rows.items() if isinstance(value, Mapping)}
    lines = [f"[{'.'.join(map(_write_key, path))}]"]
    lines += [
        f"{_write_key(name)} = {write_value(value)}"
        for name, value in rows.items()
        if name not in inner and value is not None
    ]
    return "\n".join(["\n".join(lines) + "\n", *(_write_table((*path, name), inner[name]) for name in inner)])


def _write_key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quote(name)


def write_value(value: object) -> str:
    """Return a scalar or a list of scalars as TOML; what is neither is written as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "nan" if math.isnan(value) else f"{'-' * (value < 0)}inf"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(write_value(each) for each in value if each is not None)}]"
    return quote(str(value))


def quote(text: str) -> str:
    """Return a TOML basic string: JSON's escapes are TOML's, which also needs one where nothing would be seen."""
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}" for char in json.dumps(text, ensure_ascii=False)
    )
