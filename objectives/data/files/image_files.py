"""Image files and arrays as pixels of a given size and number of channels."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from objectives.data.files.errors import DataError, UnreadableImage, one_line

# The formats of layouts.IMAGE_SUFFIXES. Pillow accepts more, and calls Ghostscript for some of them.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "PPM", "TIFF")
_GRAYSCALE = frozenset({"1", "L"})
_WHITE = (255, 255, 255, 255)

# From this ratio of its sides, an image is cropped before it is resized: whole, 10,000x1 pixels would become
# 2,240,000x224.
_THIN = 16

# What undoes each orientation that a camera notes (EXIF 2.32, tag 0x0112); 1 is upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW_RAISES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
)


def is_grayscale(path: str) -> bool:
    """Return whether an image file declares one channel without alpha or palette; only its header is read.

    Raises:
        UnreadableImage: the file is not an image.
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

    What is transparent is laid on white, an orientation that the camera noted (EXIF) is applied, and of an animation
    the first picture is read.

    Args:
        channels: 1 or 3.
        image_size: pixels, as in `fit`.

    Raises:
        UnreadableImage: the file is not an image, is truncated, or has more than 8 bits per channel.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.mode.startswith(("I", "F")):
                raise UnreadableImage(path, f"has more than 8 bits per channel (mode {image.mode})", "convert it to 8")
            return _to_pixels(fit(_lay_on_white(_turn_upright(image)), image_size), channels)
    except DataError:
        raise
    except _PILLOW_RAISES as error:
        raise _unreadable_error(path, error) from error


def _turn_upright(image: Image.Image) -> Image.Image:
    image.load()  # some formats are turned by Pillow itself, which then removes the note
    try:
        change = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # notes that cannot be read, of which Pillow raises almost any type, do not spoil the pixels
        return image
    return image if change is None else image.transpose(change)


def _lay_on_white(image: Image.Image) -> Image.Image:
    """Return the image without transparency: an icon whose ink is drawn by alpha alone would be black on black."""
    if not image.has_transparency_data:
        return image
    gray = image.mode in _GRAYSCALE
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image).convert("L" if gray else "RGB")


def fit(image: Image.Image, size: int | None) -> Image.Image:
    """Resize the image's shorter side to `size` pixels (bilinear), and return the central square.

    If `size` is None or the image's own size, return the image as it is.
    """
    if size is None or image.size == (size, size):
        return image
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode in _GRAYSCALE else "RGB")
    if max(image.size) > _THIN * min(image.size):
        return image.resize((size, size), Image.Resampling.BILINEAR, box=_central_square(image.size))
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def _central_square(size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def fit_block(block: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Apply `fit` to every image of an array (n, height, width, channels)."""
    channels = block.shape[-1]
    images = (Image.fromarray(image[..., 0] if channels == 1 else image) for image in block)
    return np.stack([_to_pixels(fit(image, size), channels) for image in images])


def _to_pixels(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _unreadable_error(path: str, error: Exception) -> UnreadableImage:
    return UnreadableImage(path, f"cannot be decoded as an image ({one_line(error)})", "replace or remove it")
