"""Class folders and pictures: what is read, what is left out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectives.data.files.decoded import Decoded, Images
from objectives.data.files.errors import UnreadableData
from objectives.data.files.folders import decode_folder, list_images
from objectives.data.files.layouts import IMAGE_SUFFIXES
from tests.objectives.data import made


def decoded(folder: Path, **options: int | None) -> Decoded:
    return decode_folder(folder, classes=None, channels=options.get("channels"), image_size=options.get("size"))


def pixels(part: Decoded) -> Images:
    return np.concatenate(list(part.blocks))


def save(path: Path, size: tuple[int, int] = (4, 4), mode: str = "RGB", colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def test_classes_and_files_come_sorted_whatever_the_disk_says(tmp_path: Path) -> None:
    for k, name in enumerate(("b/2", "a/10", "a/9", "b/1", "B/0")):
        save(tmp_path / f"{name}.png", colour=k)
    part = decoded(tmp_path)
    assert part.classes == ("B", "a", "b")
    assert part.labels.tolist() == [0, 1, 1, 2, 2]
    assert pixels(part)[:, 0, 0, 0].tolist() == [4, 1, 2, 3, 0]


def test_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png")
    save(tmp_path / "b/1.PNG")
    save(tmp_path / ".git/1.png")
    save(tmp_path / "a/.thumbnail.png")
    (tmp_path / "a/notes.txt").write_text("not an image")
    (tmp_path / "README.md").write_text("not a class")
    assert list_images(tmp_path) == {"a": ["1.png"], "b": ["1.PNG"]}


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES - {".pgm"}))
def test_every_kind_of_image_file_is_read(suffix: str, tmp_path: Path) -> None:
    content = made.part(2, 2, (16, 16, 3))
    content.images[:] = content.labels[:, None, None, None] * 200  # flat, so that lossy kinds keep it
    made.write_folders(tmp_path, content, ["a", "b"], suffix)
    part = decoded(tmp_path, channels=3)
    assert np.abs(pixels(part).astype(int) - content.images).max() <= 2


def test_images_are_grayscale_only_where_all_are(tmp_path: Path) -> None:
    gray = save(tmp_path / "a/1.png", mode="L", colour=77)
    save(tmp_path / "b/1.png", mode="1")
    assert pixels(decoded(tmp_path)).shape == (2, 4, 4, 1)
    save(tmp_path / "b/2.png", mode="RGB")
    part = decoded(tmp_path)
    assert (part.channels, pixels(part)[0, 0, 0].tolist()) == (3, [77, 77, 77])
    assert pixels(decoded(tmp_path, channels=1)).shape == (3, 4, 4, 1)
    assert gray.exists()


@pytest.mark.parametrize("mode", ["RGBA", "CMYK", "LA"])
def test_other_modes_become_rgb(mode: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = tmp_path / name / ("1.tif" if mode == "CMYK" else "1.png")
        path.parent.mkdir()
        Image.new("RGB", (4, 4), (10, 200, 30)).convert(mode).save(path)
    expected = np.array([146, 146, 146] if mode == "LA" else [10, 200, 30])
    assert np.abs(pixels(decoded(tmp_path))[0, 0, 0] - expected).max() <= 25


def test_image_size_takes_the_central_square_of_the_resized_image(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 255  # the central square is white
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(wide).save(tmp_path / name / "wide.png")
        Image.fromarray(wide.transpose(1, 0, 2).copy()).save(tmp_path / name / "tall.png")
    result = pixels(decoded(tmp_path, size=5))
    assert result.shape == (4, 5, 5, 3)
    assert (result[:, 1:4, 1:4] == 255).all()
    save(tmp_path / "a/small.png", size=(3, 4))
    assert pixels(decoded(tmp_path, size=5)).shape == (5, 5, 5, 3)


@pytest.mark.parametrize(("side", "each"), [(480, 16), (200, 120)])
def test_many_blocks_keep_the_order(side: int, each: int, tmp_path: Path) -> None:
    """Images large enough to be read in threads, and more of them than are read ahead."""
    for k in range(2 * each):
        save(tmp_path / f"{k // each}" / f"{k:03}.png", size=(side, side), colour=k)
    part = decoded(tmp_path)
    blocks = list(part.blocks)
    assert len(blocks) > 2
    assert np.concatenate(blocks)[:, 0, 0, 0].tolist() == list(range(2 * each))


def test_mixed_sizes_name_two_files_and_the_remedy(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a/1.png", (4, 6)), save(tmp_path / "b/1.png", (5, 4))
    with pytest.raises(UnreadableData) as error:
        pixels(decoded(tmp_path))
    assert str(error.value) == (
        f"all images must have one size, but {first} has 4x6 and {second} has 5x4; set image_size to resize them all"
    )


@pytest.mark.parametrize("broken", ["truncated.png", "truncated.jpg", "empty.png", "text.jpg", "folder.png"])
def test_an_image_that_cannot_be_decoded_is_named(broken: str, tmp_path: Path) -> None:
    made.write_folders(tmp_path, made.part(2, 1, (64, 64, 3)), ["a", "b"])
    path = tmp_path / "b" / broken
    whole = save(tmp_path / f"whole{path.suffix}", (64, 64)).read_bytes()
    match path.stem:
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.touch()
        case "text":
            path.write_text("<html>404</html>")
        case "folder":
            path.mkdir()
    with pytest.raises(UnreadableData, match=f"{broken} cannot be decoded as an image"):
        pixels(decoded(tmp_path))


def test_all_broken_images_are_listed_together(tmp_path: Path) -> None:
    made.write_folders(tmp_path, made.part(2, 20, (8, 8, 3)), ["a", "b"])
    for k in range(6):
        (tmp_path / "a" / f"{k:05}.png").write_bytes(b"")
        (tmp_path / "b" / f"{k + 20:05}.png").write_text("<html>404</html>")
    for channels in (None, 3):
        with pytest.raises(UnreadableData) as error:
            pixels(decoded(tmp_path, channels=channels))
        message = str(error.value)
        assert message.startswith("12 of 40 images cannot be used: ")
        assert message.endswith("; and 2 more; replace or remove them")
        assert [f"{k:05}.png cannot be decoded" in message for k in (0, 5, 6, 20, 23, 24)] == [
            *(True, True, False, True, True, False)
        ]


def test_sixteen_bit_images_are_refused_instead_of_clipped(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(tmp_path / name / "1.png")
    with pytest.raises(UnreadableData, match=r"a/1.png has more than 8 bits per channel"):
        pixels(decoded(tmp_path))


def test_an_empty_folder_and_an_empty_class_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match=f"{tmp_path} is empty; it must have one folder for each class"):
        list_images(tmp_path)
    save(tmp_path / "a/1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(UnreadableData, match=f"the class folder {tmp_path}/b has no image"):
        list_images(tmp_path)
    with pytest.raises(UnreadableData, match="nowhere cannot be listed"):
        list_images(tmp_path / "nowhere")


def test_given_classes_keep_their_numbers_and_exclude_others(tmp_path: Path) -> None:
    save(tmp_path / "c/1.png")
    part = decode_folder(tmp_path, classes=("a", "b", "c"), channels=3, image_size=None)
    assert part.labels.tolist() == [2]
    with pytest.raises(UnreadableData, match=r"/c is not a class of this data set; its classes are a, b"):
        decode_folder(tmp_path, classes=("a", "b"), channels=3, image_size=None)
