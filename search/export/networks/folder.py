"""The model folder: weights, configuration, a program for PyTorch alone, and a model card."""

from __future__ import annotations

import json
from pathlib import Path

from search.evaluation.model_card import CARD_FILE, CONFIGURATION_FILE, WEIGHTS_FILE
from search.export.networks.card import render_card
from search.export.networks.description import describe_network
from search.export.networks.found import FoundNetwork, find_network
from search.export.networks.notes import tell_of_network
from search.export.networks.preprocessing import FORMAT
from search.export.networks.programs import CannotExport, write_torch_program
from search.export.outputs.task import Exported, ExportTask
from search.export.outputs.writing import check_folder, write_export_folder

PROGRAM_FILE = "model.pt2"
ATTRIBUTES_FILE = ".gitattributes"
FILES = frozenset({WEIGHTS_FILE, CONFIGURATION_FILE, CARD_FILE, PROGRAM_FILE, ATTRIBUTES_FILE})
_LARGE_FILES = "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in ("safetensors", "pt2"))


def write_folder(task: ExportTask) -> Exported:
    """Write the model folder.

    Raises:
        NothingToDo: no network is kept.
        SearchError: the exported network predicts something else, or the folder cannot be written.
    """
    check_folder(task.path, CONFIGURATION_FILE, FORMAT.encode(), FILES)
    network = find_network(task)
    tell_of_network(network, task.tell)
    with write_export_folder(task.path) as folder:
        difference = _write_program(network, folder / PROGRAM_FILE, task)
        (folder / WEIGHTS_FILE).write_bytes(network.weights)
        card = render_card(network, has_program=difference is not None)
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        configuration = json.dumps(describe_network(network), indent=2) + "\n"
        (folder / CONFIGURATION_FILE).write_text(configuration, encoding="utf-8")
        if task.push_ready:
            (folder / ATTRIBUTES_FILE).write_text(_LARGE_FILES, encoding="utf-8")
        size = sum(each.stat().st_size for each in folder.iterdir())
    if task.push_ready:
        task.tell(f"note: nothing was uploaded; `hf upload USER/NAME {task.path}` of huggingface_hub does that")
    return Exported(
        study=task.view.record.name,
        format="model",
        path=str(task.path),
        size=size,
        trial=network.winner.trial.number,
        weights_sha256=network.sha256,
        checked_images=None if difference is None else len(network.checked.images),
        largest_difference=difference,
    )


def _write_program(network: FoundNetwork, path: Path, task: ExportTask) -> float | None:
    """Write model.pt2; tell why not, and return None, if the network cannot be traced."""
    try:
        return write_torch_program(network.checked, path)
    except CannotExport as error:
        task.tell(f"note: {path.name} is left out: {error}")
        return None
