"""scikit-learn's digits as two files: one for training, one held out.

scikit-learn ships one file with all 1,797 images. Only `write` reads it, once; from then on the two parts are separate
files, and a process that trains opens only the training file.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.base.files import write_whole
from objectives.data.splits.split import split_examples

TRAINING_FILE = "digits/train.npz"
HELD_OUT_FILE = "digits/digits-held-out.npz"

# Part of the data set's identity: another fraction or seed would give another test set under the same name.
_HELD_OUT_FRACTION = 0.2
_SEED = 0


def write(cache_dir: Path) -> None:
    """Write both files under `cache_dir`, each whole or not at all; a file that exists is not written again."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    # The sixteen levels are scaled to the full range of a byte, so that the images can be viewed.
    images = ((bunch.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)[..., None]
    parts = split_examples(labels, _HELD_OUT_FRACTION, _SEED)
    _write_part(cache_dir / HELD_OUT_FILE, images[parts.validation], labels[parts.validation])
    _write_part(cache_dir / TRAINING_FILE, images[parts.train], labels[parts.train])


def list_bundled_files() -> list[str]:
    """Return where scikit-learn's file with all images may be; scikit-learn is not imported."""
    found = find_spec("sklearn")
    folders = (found and found.submodule_search_locations) or ()
    return [os.path.join(folder, "datasets", "data", "digits.csv.gz") for folder in folders]


def _write_part(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    if path.exists():
        return
    with write_whole(path) as file:
        np.savez(file, images=images, labels=labels)
