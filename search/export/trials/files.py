"""The table of trials as a CSV or a Parquet file."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType

from objectives.base.printable import escape_controls
from search.errors import SearchError
from search.export.outputs.task import MARK, Exported, ExportTask
from search.export.outputs.writing import write_export
from search.export.trials.table import FIRST_COLUMNS, Cell, TrialTable, build_table

# What a spreadsheet takes for the beginning of a formula, also in full width.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_HEADER = ",".join(FIRST_COLUMNS).encode()


def write_csv(task: ExportTask) -> Exported:
    """Write the study's trials as CSV (UTF-8, RFC 4180 with line feeds).

    Raises:
        SearchError: the file cannot be written, or something else is there.
    """
    return _write(task, "trials.csv", _HEADER, _dump_csv)


def write_parquet(task: ExportTask) -> Exported:
    """Write the study's trials as Parquet.

    Raises:
        SearchError: pyarrow is not installed, the file cannot be written, or something else is there.
    """
    _import_pyarrow()
    return _write(task, "trials.parquet", MARK.encode(), _dump_parquet)


def _write(task: ExportTask, name: str, mark: bytes, dump: Callable[[TrialTable, Path], None]) -> Exported:
    table = build_table(task.view.trials(), task.view.spec.read_space())
    with write_export(task.path, mark) as partial:
        dump(table, partial)
    return Exported(study=task.view.record.name, format=name, path=str(task.path), size=task.path.stat().st_size)


def _dump_csv(table: TrialTable, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(format_cell, table.columns))
        writer.writerows(map(format_cell, row) for row in table.rows())


def format_cell(value: Cell) -> str:
    """Return a cell's text, which no spreadsheet takes for a formula.

    Numbers stay as they are, a negative one, too. A text that begins like a formula gets an apostrophe in front, which
    spreadsheets take for "this is text"; control characters become their escapes.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return ("'" if value.startswith(_FORMULA) else "") + escape_controls(value)
    return repr(value)


def _dump_parquet(table: TrialTable, path: Path) -> None:
    pyarrow, parquet = _import_pyarrow()
    columns = {name: pyarrow.array(_unify(cells)) for name, cells in table.columns.items()}
    parquet.write_table(pyarrow.table(columns, metadata={"written_by": MARK}), path)


def _unify(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Return a column's cells as values of one type: a Parquet column has no other."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) <= 1:
        return cells
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]  # type: ignore[arg-type]
    return [None if cell is None else str(cell) for cell in cells]


def _import_pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise SearchError(
            "trials.parquet needs pyarrow, which is not installed; run `pip install 'depthsearch[export]'`, or take "
            "--format trials.csv"
        ) from None
