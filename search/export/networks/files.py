"""The network as one file, in a format of PyTorch's or of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search.export.networks.found import find_network
from search.export.networks.notes import tell_of_network
from search.export.networks.programs import import_onnx, write_onnx_program, write_torch_program
from search.export.networks.standalone import CheckedNetwork
from search.export.outputs.task import MARK, Exported, ExportTask
from search.export.outputs.writing import check_file, write_export


def write_program(task: ExportTask) -> Exported:
    """Write the network for `torch.export.load`.

    Raises:
        NothingToDo: no network is kept.
        SearchError: it cannot be exported, or the file cannot be written.
    """
    return _write(task, "torch-export", write_torch_program)


def write_onnx(task: ExportTask) -> Exported:
    """Write the network in the ONNX format.

    Raises:
        NothingToDo: no network is kept.
        SearchError: it cannot be exported, a package is missing, or the file cannot be written.
    """
    import_onnx()
    return _write(task, "onnx", write_onnx_program)


def _write(task: ExportTask, name: str, write: Callable[[CheckedNetwork, Path], float]) -> Exported:
    check_file(task.path, MARK.encode())  # before minutes of work
    network = find_network(task)
    tell_of_network(network, task.tell)
    with write_export(task.path, MARK.encode()) as partial:
        difference = write(network.checked, partial)
    return Exported(
        study=task.view.record.name,
        format=name,
        path=str(task.path),
        size=task.path.stat().st_size,
        trial=network.winner.trial.number,
        weights_sha256=network.sha256,
        checked_images=len(network.checked.images),
        largest_difference=difference,
    )
