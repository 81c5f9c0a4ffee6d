"""Moments of pixels against numpy's in float64."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from objectives.data.batches.pixel_statistics import compute_pixel_statistics


@given(seed=st.integers(0, 99), count=st.integers(1, 3000), channels=st.sampled_from([1, 3]))
def test_moments_are_those_of_float64(seed: int, count: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (40, 3, 2, channels), dtype=np.uint8)
    indices = rng.integers(0, 40, count)
    mean, std = compute_pixel_statistics(images, indices)
    pixels = images[indices] / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std((0, 1, 2)), rtol=1e-10)
    assert compute_pixel_statistics(images, rng.permutation(indices)) == (mean, std)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    images = np.full((3, 2, 2, 1), 51, dtype=np.uint8)
    assert compute_pixel_statistics(images, np.arange(3)) == ((0.2,), (1.0,))
