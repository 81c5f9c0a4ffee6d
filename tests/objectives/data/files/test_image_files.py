"""Single pictures: transparency, orientation, and sides of any ratio."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from objectives.data.files import image_files
from tests.objectives.data import made

WHITE, INK = [255, 255, 255], [9, 20, 31]


def icon(mode: str, path: Path) -> Path:
    """Save one pixel of ink on a ground that is transparent, and black if transparency is dropped."""
    image = Image.new("RGBA", (3, 3), (0, 0, 0, 0))
    image.putpixel((1, 1), (*INK, 255))
    match mode:
        case "RGBA":
            image.save(path)
        case "LA":
            image.convert("LA").save(path)
        case "RGB":
            image.convert("RGB").save(path, transparency=(0, 0, 0))
        case "L":
            image.convert("L").save(path, transparency=0)
        case "P":
            palette = Image.new("P", (3, 3), 0)
            palette.putpalette([0, 0, 0, *INK])
            palette.putpixel((1, 1), 1)
            palette.save(path, transparency=0)
    return path


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB", "L", "P"])
def test_what_is_transparent_is_laid_on_white(mode: str, tmp_path: Path) -> None:
    pixels = image_files.read(str(icon(mode, tmp_path / "icon.png")), 3, None)
    gray = Image.new("RGB", (1, 1), tuple(INK)).convert("L").getpixel((0, 0))
    assert pixels[0, 0].tolist() == WHITE
    assert pixels[1, 1].tolist() == ([gray] * 3 if mode in ("L", "LA") else INK)


def test_half_transparent_ink_is_half_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 51)).save(tmp_path / "shadow.png")
    assert image_files.read(str(tmp_path / "shadow.png"), 1, None)[0, 0].tolist() == [204]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_the_orientation_that_a_camera_noted_is_applied(suffix: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 12))
    image.paste((255, 255, 255), (0, 0, 10, 6))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.{suffix}"
        image.save(path, exif=exif)
        with Image.open(path) as saved:
            upright = np.asarray(ImageOps.exif_transpose(saved).convert("RGB"))
        np.testing.assert_array_equal(image_files.read(str(path), 3, None), upright)


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (31, 97), (8, 128), (3, 4), (56, 56)])
def test_an_ordinary_picture_is_resized_whole_and_its_centre_cropped(size: tuple[int, int], tmp_path: Path) -> None:
    content = made.part(1, 1, (size[1], size[0], 3))
    Image.fromarray(content.images[0]).save(tmp_path / "1.png")
    wide, high = (max(56, round(side * (56 / min(size)))) for side in size)
    whole = Image.fromarray(content.images[0]).resize((wide, high), Image.Resampling.BILINEAR)
    left, top = (wide - 56) // 2, (high - 56) // 2
    expected = np.asarray(whole)[top : top + 56, left : left + 56]
    np.testing.assert_array_equal(image_files.read(str(tmp_path / "1.png"), 3, 56), expected)


def test_a_thin_picture_takes_memory_for_what_is_kept_of_it(tmp_path: Path) -> None:
    Image.fromarray(made.part(1, 1, (1, 10_000, 3)).images[0]).save(tmp_path / "strip.png")
    program = (
        "import resource, sys; from objectives.data.files import image_files; "
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
        "print(image_files.read(sys.argv[1], 3, 224).shape, "
        "(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 50_000)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "strip.png")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4])
    assert ended.stdout == "(224, 224, 3) True\n"
