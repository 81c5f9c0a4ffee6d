"""A decoded copy that is in use: only another content of the mapped files counts as a change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from objectives.data.cache import prepare
from objectives.data.files import prepared as prepared_folder
from objectives.data.files.errors import CacheError
from objectives.data.files.mapped import MappedCopy
from objectives.data.files.prepared import IMAGES_FILE, LABELS_FILE, Prepared


@pytest.fixture
def copy(mine: Path, cache_dir: Path) -> Prepared:
    return prepare("mine", mine, cache_dir)


def write_into(path: Path, offset: int, content: bytes) -> None:
    """Write into a file as its owner can."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset, os.SEEK_END)
        file.write(content)


@pytest.mark.parametrize("name", [IMAGES_FILE, LABELS_FILE])
def test_other_content_in_the_same_file_is_a_change(copy: Prepared, name: str) -> None:
    mapped = MappedCopy(copy)
    mapped.check()
    write_into(copy.folder / name, -1, b"\x07")
    with pytest.raises(CacheError, match=rf"{copy.folder.name} was changed .* begins no further trial"):
        mapped.check()


def test_a_file_that_is_cut_off_is_a_change(copy: Prepared) -> None:
    mapped = MappedCopy(copy)
    (copy.folder / IMAGES_FILE).chmod(0o600)
    os.truncate(copy.folder / IMAGES_FILE, 200)
    with pytest.raises(CacheError):
        mapped.check()


def test_the_same_content_is_compared_once(copy: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped, compared = MappedCopy(copy), []
    compute = Prepared.compute_fingerprint
    monkeypatch.setattr(Prepared, "compute_fingerprint", lambda self: compared.append(self) or compute(self))  # type: ignore[func-returns-value]
    mapped.check()
    assert compared == []
    write_into(copy.folder / IMAGES_FILE, 0, b"")
    for _ in range(3):
        mapped.check()
    assert len(compared) == 1


def test_files_that_are_gone_or_replaced_are_still_mapped(copy: Prepared) -> None:
    mapped = MappedCopy(copy)
    other = copy.folder.with_name("other")
    shutil.copytree(copy.folder, other)
    write_into(other / IMAGES_FILE, -1, b"\x07")
    (other / IMAGES_FILE).replace(copy.folder / IMAGES_FILE)
    mapped.check()
    shutil.rmtree(copy.folder)
    mapped.check()
    assert prepared_folder.read(copy.folder) is None
