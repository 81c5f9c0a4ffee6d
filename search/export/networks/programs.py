"""The network as a program for PyTorch alone and for ONNX runtimes, compared with the study's own before it counts."""

from __future__ import annotations

import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import Dim, ExportedProgram

from objectives.base.errors import first_line
from search.errors import SearchError
from search.export.networks.standalone import CheckedNetwork, StandaloneNetwork
from search.export.outputs.task import MARK

TOLERANCE = 1e-4
"""Largest difference of a probability that an exported network may have."""
INPUT, OUTPUT = "images", "probabilities"
LABELS_FILE = "labels.json"
"""Within a .pt2 file."""

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class CannotExport(SearchError):
    """The network does something that has no counterpart in the format."""


def write_torch_program(network: CheckedNetwork, path: Path) -> float:
    """Write the network for `torch.export.load`; return the largest difference of a probability.

    Raises:
        CannotExport: torch.export cannot trace it.
        SearchError: its probabilities differ from the study's.
    """
    with _convert_errors("torch.export"):
        program = trace(network.standalone, _example(network))
        content = io.BytesIO()  # a path must end in .pt2, and this file has another name until it is complete
        extra = {LABELS_FILE: json.dumps(network.labels), "written_by": MARK}
        torch.export.save(program, content, extra_files=extra)
        path.write_bytes(content.getvalue())
        content.seek(0)
        module = torch.export.load(content).module()

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = module(torch.from_numpy(images)).detach().numpy()
        return probabilities

    return compare(network, predict, "torch.export")


def write_onnx_program(network: CheckedNetwork, path: Path) -> float:
    """Write the network in the ONNX format; return the largest difference of a probability in onnxruntime.

    Raises:
        CannotExport: it has an operation that ONNX has not.
        SearchError: a package is not installed, or the probabilities differ from the study's.
    """
    runtime = import_onnx()
    with _convert_errors("ONNX"):
        program = torch.onnx.export(
            network.standalone,
            (_example(network),),
            dynamo=True,
            dynamic_shapes=({0: Dim("batch")},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update({"written_by": MARK, "labels": json.dumps(network.labels)})
        program.save(path, external_data=False)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = session.run([OUTPUT], {INPUT: images})[0]
        return probabilities

    return compare(network, predict, "ONNX")


def trace(network: StandaloneNetwork, example: torch.Tensor) -> ExportedProgram:
    """Return the network as a program that takes batches of any size."""
    return torch.export.export(network, (example,), dynamic_shapes=({0: Dim("batch")},))


def compare(network: CheckedNetwork, predict: Predict, what: str) -> float:
    """Return the largest difference of a probability on validation images, in batches of several sizes.

    Raises:
        SearchError: it is above the tolerance.
    """
    differences = [0.0]
    for size in sorted({1, 3, len(network.images)}):
        with _convert_errors(what):
            found = predict(np.ascontiguousarray(network.images[:size]))
        differences.append(float(np.abs(found - network.probabilities[:size]).max(initial=0.0)))
    largest = float(np.max(differences))  # NaN, if one is
    if not largest <= TOLERANCE:
        raise SearchError(
            f"the {what} file's probabilities differ by up to {largest:.2g} from those of the study's network on "
            f"{len(network.images)} validation images, more than {TOLERANCE:g}; nothing was written, and another "
            "--format may do"
        )
    return largest


def import_onnx() -> ModuleType:
    """Return onnxruntime.

    Raises:
        SearchError: it, onnx or onnxscript is not installed.
    """
    try:
        for name in ("onnx", "onnxscript"):
            importlib.import_module(name)
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise SearchError(
            f"--format onnx needs {error.name or 'onnx'}, which is not installed; run "
            "`pip install 'depthsearch[export]'`, or take --format torch-export"
        ) from None


def _example(network: CheckedNetwork) -> torch.Tensor:
    """Return two images: torch.export would take one for the only possible size of a batch."""
    return torch.zeros(2, *network.images.shape[1:], dtype=torch.uint8)


@contextmanager
def _convert_errors(what: str) -> Iterator[None]:
    """Turn whatever torch and ONNX raise into one sentence, and keep what they print and warn of to themselves."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except (SearchError, OSError):
        raise
    except Exception as error:  # many types, of torch's compiler, onnx and onnxruntime
        cause = _find_cause(error)
        raise CannotExport(
            f"this network cannot be exported by {what} ({type(cause).__name__}: {first_line(cause)[:200]}); change "
            "its forward to operations on tensors whose course does not depend on their values, or load "
            "model.safetensors into your own code"
        ) from None
    finally:
        logger.setLevel(before)


def _find_cause(error: BaseException) -> BaseException:
    """Return the error that the others were raised from: theirs tell of steps of the conversion."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
