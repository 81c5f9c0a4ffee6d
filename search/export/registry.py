"""The formats of `search export`; a new one is one entry of FORMATS and the function that writes it.

A writer imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.export.outputs.task import Exported, ExportTask


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format."""

    write: Callable[[ExportTask], Exported]
    ending: str
    """What follows the study's name in the default path."""
    description: str
    has_network: bool = False
    """Whether it needs the study's objective and images, and a process that can be sealed against test files."""


def _write_csv(task: ExportTask) -> Exported:
    from search.export.trials.files import write_csv

    return write_csv(task)


def _write_parquet(task: ExportTask) -> Exported:
    from search.export.trials.files import write_parquet

    return write_parquet(task)


def _write_configuration(task: ExportTask) -> Exported:
    from search.export.configuration import write_configuration

    return write_configuration(task)


def _write_folder(task: ExportTask) -> Exported:
    from search.export.networks.folder import write_folder

    return write_folder(task)


def _write_onnx(task: ExportTask) -> Exported:
    from search.export.networks.files import write_onnx

    return write_onnx(task)


def _write_program(task: ExportTask) -> Exported:
    from search.export.networks.files import write_program

    return write_program(task)


FORMATS: dict[str, Format] = {
    "trials.csv": Format(write=_write_csv, ending="-trials.csv", description="a table with one row for each trial"),
    "trials.parquet": Format(write=_write_parquet, ending="-trials.parquet", description="the same table, with types"),
    "config.toml": Format(
        write=_write_configuration, ending="-config.toml", description="the best configuration, as values for --set"
    ),
    "model": Format(
        write=_write_folder,
        ending="-model",
        has_network=True,
        description="a folder with weights, configuration, preprocessing, labels, model.pt2 and a model card",
    ),
    "onnx": Format(write=_write_onnx, ending=".onnx", has_network=True, description="the network for ONNX runtimes"),
    "torch-export": Format(
        write=_write_program, ending=".pt2", has_network=True, description="the network for PyTorch alone"
    ),
}


def get_format(name: str) -> Format:
    """Return the format of this name.

    Raises:
        ObjectiveError: there is none; the message has close matches and all names.
    """
    from objectives.base.registry import look_up  # which imports Optuna, and `search --help` reads this module

    return look_up(FORMATS, name, "format")
