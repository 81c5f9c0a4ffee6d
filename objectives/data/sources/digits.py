"""scikit-learn's digits as a training file and a held-out file of their own.

scikit-learn ships one file with all 1,797 images. `write` alone reads it, once; from then on the two parts
are two files, and a process that trains opens the training file only.
"""

import os
import secrets
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.splits.split import split_examples

TRAINING_FILE = "digits/train.npz"
HELD_OUT_FILE = "digits/digits-held-out.npz"

# Part of the data set's identity: another fraction or seed would be another test set under the same name.
_HELD_OUT_FRACTION = 0.2
_SEED = 0


def write(cache_dir: Path) -> None:
    """Writes both files under `cache_dir`, each whole or not at all; one that is there is left alone."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    # Sixteen levels become the full range of a byte, so that the pictures can be looked at.
    images = ((bunch.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)[..., None]
    parts = split_examples(labels, _HELD_OUT_FRACTION, _SEED)
    _write_part(cache_dir / HELD_OUT_FILE, images[parts.validation], labels[parts.validation])
    _write_part(cache_dir / TRAINING_FILE, images[parts.train], labels[parts.train])


def _write_part(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        with part.open("wb") as file:
            np.savez(file, images=images, labels=labels)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
