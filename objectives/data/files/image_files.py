"""One image file or array to pixels of a given number of channels and size."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objectives.data.files.errors import DataError, UnreadableData, one_line

# Of layouts.IMAGE_SUFFIXES. Pillow would take others for an image, too, and call Ghostscript for some.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "PPM", "TIFF")
_GRAYSCALE = frozenset({"1", "L"})
_PILLOW_RAISES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
)


def is_grayscale(path: str) -> bool:
    """Whether an image file declares one channel without alpha or palette; only its header is read.

    Raises UnreadableData: not an image.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.mode in _GRAYSCALE
    except DataError:
        raise
    except _PILLOW_RAISES as error:
        raise _unreadable(path, error) from error


def read(path: str, channels: int, image_size: int | None) -> NDArray[np.uint8]:
    """The pixels of an image file: uint8, (height, width, channels).

    channels: 1 or 3. Alpha is dropped, of an animation the first picture is taken, EXIF orientation is left
    alone.
    image_size: pixels; see `fit`.

    Raises UnreadableData: not an image, truncated, or more than eight bits a channel.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.mode.startswith(("I", "F")):
                raise UnreadableData(f"{path} has more than 8 bits a channel (mode {image.mode}): convert it to 8.")
            if image.mode == "P" and "transparency" in image.info:
                return _pixels(fit(image.convert("RGBA"), image_size), channels)
            return _pixels(fit(image, image_size), channels)
    except DataError:
        raise
    except _PILLOW_RAISES as error:
        raise _unreadable(path, error) from error


def fit(image: Image.Image, size: int | None) -> Image.Image:
    """The image with its shorter side resized to `size` pixels (bilinear), then its central square.

    A size of None, or the one it has, leaves it alone.
    """
    if size is None or image.size == (size, size):
        return image
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode in _GRAYSCALE else "RGB")
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def fit_block(block: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """`fit` for every image of an array (n, height, width, channels)."""
    channels = block.shape[-1]
    images = (Image.fromarray(image[..., 0] if channels == 1 else image) for image in block)
    return np.stack([_pixels(fit(image, size), channels) for image in images])


def _pixels(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _unreadable(path: str, error: Exception) -> UnreadableData:
    return UnreadableData(f"{path} cannot be decoded as an image ({one_line(error)}): replace it or remove it.")
