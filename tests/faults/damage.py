"""A process that reads damaged data files one after another: `python -m tests.faults.damage LAYOUT COUNT FOLDER`.

It is a process of its own because a reader's memory may be corrupted: then a signal ends it, and the file that it read
last lies in the folder. It prints how many files were read and how many refused.
"""

from __future__ import annotations

import gzip
import io
import pickle
import random
import resource
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from objectives.data.files import prepared as prepared_folder
from objectives.data.files.cifar import read_batch
from objectives.data.files.decoded import Decoded
from objectives.data.files.errors import DataError
from objectives.data.files.folders import decode_folder
from objectives.data.files.idx import read_idx
from objectives.data.files.npz import read_arrays
from tests.faults.fuzz import one_line
from tests.objectives.data import made

COLOUR = made.part(2, 1, (32, 32, 3))
GRAY = made.part(2, 2, (6, 5, 1))
ROWS = np.full((2, 3072), ord("A"), dtype=np.uint8)
# A type of objects, whose state says that it has none, over an array of bytes: pointers out of the file.
HOSTILE = (
    b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x04\x85"
    b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x01tb\x89U\x20"
    + b"A" * 32
    + b"tbU\x06labels](K\x00K\x01eu."
)
OPCODES = (b"cnumpy\nndarray\n", b"(", b"]", b"}", b"K\x00", b"\x85", b"\x86", b"\x87", b"R", b"b", b"s", b"u", b"2")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One kind of data file: whole examples by name, and the reader, given the folder with one of them, damaged."""

    examples: dict[str, bytes]
    read: Callable[[Path], object]


def encode(kind: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(COLOUR.images[0]).convert(mode)
    exif = Image.Exif()
    exif[0x112] = 6
    if mode == "RGB" and kind == "PNG":
        image.save(buffer, kind, transparency=(0, 0, 0))
    else:
        image.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def read_picture(folder: Path, name: str) -> object:
    for label in ("a", "b"):
        (folder / "train" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, folder / "train" / label / name)
    return [list(decode_folder(folder / "train", classes=None, channels=None, image_size=k).blocks) for k in (None, 8)]


def read_copy(folder: Path) -> object:
    """Read the decoded copy: what does not fit its fingerprint must be seen, and reading never fails."""
    found = prepared_folder.read(folder)
    return found is not None and found.compute_fingerprint() == found.fingerprint


def write_copy() -> dict[str, bytes]:
    """Return the three files of a decoded copy; each is damaged with the two others whole."""
    with tempfile.TemporaryDirectory() as name:
        decoded = Decoded(
            labels=GRAY.labels, classes=("a", "b"), height=6, width=5, channels=1, blocks=iter([GRAY.images])
        )
        prepared_folder.write(Path(name), "mine", decoded, None)
        return {file.name: file.read_bytes() for file in Path(name).iterdir()}


def write_arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=GRAY.images, labels=GRAY.labels)
    return buffer.getvalue()


def layouts() -> dict[str, Layout]:
    idx = made.idx(GRAY.images[..., 0])
    batches = [HOSTILE, made.cifar_batch(ROWS.reshape(2, 32, 32, 3), COLOUR.labels)]
    batches += [pickle.dumps({"data": ROWS, "labels": [0, 1]}, protocol=number) for number in (0, 2, 4)]
    return {
        "idx": Layout(
            examples={"images": idx, "images.gz": gzip.compress(idx, mtime=0)},
            read=lambda folder: read_idx(next(folder.glob("images*")), dimensions=3),
        ),
        "cifar": Layout(
            examples={f"data_batch_{k}": batch for k, batch in enumerate(batches)},
            read=lambda folder: read_batch(next(folder.glob("data_batch_*")), "labels"),
        ),
        "png": Layout(
            examples={f"{mode}.png": encode("PNG", mode) for mode in ("RGB", "RGBA", "P", "LA", "L")},
            read=lambda folder: read_picture(folder, next(folder.glob("*.png")).name),
        ),
        "jpeg": Layout(
            examples={f"{mode}.jpg": encode("JPEG", mode) for mode in ("RGB", "L", "CMYK")},
            read=lambda folder: read_picture(folder, next(folder.glob("*.jpg")).name),
        ),
        "npz": Layout(
            examples={"part.npz": write_arrays()},
            read=lambda folder: read_arrays(folder / "part.npz"),
        ),
        "copy": Layout(examples=write_copy(), read=read_copy),
    }


def damage(content: bytes, chance: random.Random, whole: bool) -> bytes:
    """Return the file as it is once, and then cut, flipped, overwritten, repeated or foreign."""
    if whole:
        return content
    kind, damaged = chance.randrange(6), bytearray(content)
    where = chance.randrange(min(len(content), chance.choice((16, 64, 300, len(content)))))
    match kind:
        case 0:
            return content[:where]
        case 1:
            return content + content[where:]
        case 2:
            return content[:where] + b"".join(chance.choices(OPCODES, k=3)) + content[where + 3 :]
        case 3:
            damaged[where : where + 8] = chance.randbytes(8)
        case 4:
            damaged[where : where + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80" + bytes(3)))
        case _:
            for _ in range(chance.randint(1, 8)):
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def main(name: str, count: int, folder: Path) -> None:
    # A small file that asks for much memory must be refused before it is taken.
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    layout, chance, refused = layouts()[name], random.Random(f"{name} {count}"), 0
    kinds = sorted(layout.examples.items())
    for k in range(count):
        file, content = kinds[k % len(kinds)]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if name == "copy":
            for other, whole in kinds:
                (folder / other).write_bytes(whole)
        (folder / file).write_bytes(damage(content, chance, whole=k < len(kinds)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                refused += layout.read(folder) is False
        except DataError as error:
            one_line(error, naming=file)
            refused += 1
    print(f"{count - refused} read, {refused} refused")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
