"""Files and folders that `search predict` reads, and those that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.data.files.errors import UnreadableData
from search.export.networks.preprocessing import Preprocessing
from search.export.predict.inputs import list_files, read_images

GREY = Preprocessing(height=2, width=2, channels=1, mean=(0.5,), std=(0.5,), resize=None)


def test_a_folder_without_images_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("train")
    assert list(list_files([tmp_path / "notes"])) == [tmp_path / "notes"]
    with pytest.raises(UnreadableData, match="notes is a folder without any image, array or table"):
        read_images(tmp_path / "notes", GREY)


@pytest.mark.parametrize("name", ["gone.png", "gone.npy", "gone.csv"])
def test_a_missing_file_is_not_called_a_broken_image(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableData, match=rf"{name} cannot be read \(No such file or directory\)"):
        read_images(tmp_path / name, GREY)
