"""Image files and arrays as pixels of a given size and number of channels."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objectives.data.files.errors import DataError, UnreadableData, one_line

# The formats of layouts.IMAGE_SUFFIXES. Pillow accepts more, and calls Ghostscript for some of them.
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
    """Return whether an image file declares one channel without alpha or palette; only its header is read.

    Raises:
        UnreadableData: the file is not an image.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.mode in _GRAYSCALE
    except DataError:
        raise
    except _PILLOW_RAISES as error:
        raise _unreadable_error(path, error) from error


def read(path: str, channels: int, image_size: int | None) -> NDArray[np.uint8]:
    """Return the pixels of an image file: uint8, (height, width, channels).

    Alpha is dropped, the first picture of an animation is read, and EXIF orientation is ignored.

    Args:
        channels: 1 or 3.
        image_size: pixels, as in `fit`.

    Raises:
        UnreadableData: the file is not an image, is truncated, or has more than 8 bits per channel.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.mode.startswith(("I", "F")):
                raise UnreadableData(f"{path} has more than 8 bits per channel (mode {image.mode}); convert it to 8")
            if image.mode == "P" and "transparency" in image.info:
                return _to_pixels(fit(image.convert("RGBA"), image_size), channels)
            return _to_pixels(fit(image, image_size), channels)
    except DataError:
        raise
    except _PILLOW_RAISES as error:
        raise _unreadable_error(path, error) from error


def fit(image: Image.Image, size: int | None) -> Image.Image:
    """Resize the image's shorter side to `size` pixels (bilinear), and return the central square.

    If `size` is None or the image's own size, return the image as it is.
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
    """Apply `fit` to every image of an array (n, height, width, channels)."""
    channels = block.shape[-1]
    images = (Image.fromarray(image[..., 0] if channels == 1 else image) for image in block)
    return np.stack([_to_pixels(fit(image, size), channels) for image in images])


def _to_pixels(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _unreadable_error(path: str, error: Exception) -> UnreadableData:
    return UnreadableData(f"{path} cannot be decoded as an image ({one_line(error)}); replace or remove it")
