"""What is said about a data set that can be used: left-out files, and pictures that are all alike."""

from pathlib import Path

import numpy as np
from PIL import Image

from objectives.data.cache import prepare
from objectives.data.files.layouts import IMAGE_SUFFIXES
from objectives.data.notes import describe_oddities
from tests.objectives.data import made


def test_the_guide_lists_every_type_that_is_read() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "own-objectives.md").read_text()
    assert [suffix for suffix in sorted(IMAGE_SUFFIXES) if f"`{suffix}`" not in guide] == []


def notes(data_dir: Path, cache_dir: Path) -> list[str]:
    return list(describe_oddities(prepare("mine", data_dir, cache_dir), data_dir, cache_dir))


def test_an_ordinary_data_set_needs_no_note(mine: Path, cache_dir: Path, mine_content: made.Part) -> None:
    made.write_folders(mine / "mine" / "test", mine_content, ["a", "b", "c"])
    made.write_file(mine / "mine" / "train" / "a" / ".hidden", b"")
    made.write_file(mine / "mine" / "README.md", b"")
    assert notes(mine, cache_dir) == []


def test_files_that_are_not_used_are_counted_and_their_places_named(mine: Path, cache_dir: Path) -> None:
    train = mine / "mine" / "train"
    for name in ("a/more/1.png", "a/more/deep/2.png", "b/1.heic", "b/2.avif", "b/3.avif", "loose.png"):
        made.write_file(train / name, b"never opened")
    made.write_file(mine / "mine" / "more" / "a" / "1.png", b"")
    assert notes(mine, cache_dir) == [
        f"not used of {mine / 'mine'}: 2 files in sub-folders of classes (train/a/more); 3 files of other types "
        "(.avif, .heic); 1 file beside the class folders (loose.png); the folder more/ beside train/; only "
        "train/<class>/* is read, of the types .bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp, and validation "
        "images are split off it; --group-by folder reads sub-folders of classes"
    ]


def test_a_sub_folder_that_leads_to_the_test_part_is_not_listed(mine: Path, cache_dir: Path) -> None:
    made.write_file(mine / "mine" / "test" / "a" / "1.png", b"")
    (mine / "mine" / "train" / "a" / "more").symlink_to(mine / "mine" / "test" / "a")
    assert "0 files in sub-folders of classes (train/a/more)" in notes(mine, cache_dir)[0]


def test_pictures_that_are_all_alike_are_noted(data_dir: Path, cache_dir: Path) -> None:
    for name in ("a", "b"):
        folder = data_dir / "mine" / "train" / name
        folder.mkdir(parents=True)
        for k in range(3):
            pixels = np.zeros((4, 4, 4), dtype=np.uint8)
            pixels[..., :3], pixels[k, k, 3] = 255, 255  # white ink, drawn by alpha
            Image.fromarray(pixels).save(folder / f"{k}.png")
    (note,) = notes(data_dir, cache_dir)
    assert note.startswith("all 6 images of mine have the same pixels; ")
