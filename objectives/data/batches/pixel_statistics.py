"""Mean and standard deviation of pixels, from exact integer sums."""

import math

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1024

PixelStatistics = tuple[tuple[float, ...], tuple[float, ...]]


def compute_pixel_statistics(images: NDArray[np.uint8], indices: NDArray[np.int64]) -> PixelStatistics:
    """Return the mean and standard deviation of every channel over the chosen images, for pixels from 0 to 1.

    images: uint8, (N, height, width, channels). indices: which images; not empty.
    The sums are integers, so the result depends neither on the order of the images nor on the machine. A constant
    channel gets the standard deviation 1, so that dividing by it changes nothing.
    """
    channels = images.shape[3]
    width = math.prod(images.shape[1:])
    sums, squares = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    for start in range(0, len(indices), _CHUNK):
        chunk = images[indices[start : start + _CHUNK]].reshape(-1, width)
        sums += chunk.sum(axis=0, dtype=np.int64)
        squares += np.einsum("np,np->p", chunk, chunk, dtype=np.int64)
    count = len(indices) * width // channels
    by_channel = zip(
        sums.reshape(-1, channels).sum(axis=0).tolist(),
        squares.reshape(-1, channels).sum(axis=0).tolist(),
        strict=True,
    )
    pairs = [_compute_mean_and_deviation(total, square, count) for total, square in by_channel]
    return tuple(mean for mean, _ in pairs), tuple(deviation for _, deviation in pairs)


def _compute_mean_and_deviation(total: int, square: int, count: int) -> tuple[float, float]:
    variance = (count * square - total * total) / (count * count * 255 * 255)
    return total / (count * 255), math.sqrt(variance) if variance > 0 else 1.0
