"""Which random changes are made to training images; `random_changes` makes them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of training images, drawn again for every image in every epoch; none by default.

    flip: whether to mirror half of the images left to right.
    crop: the most pixels that an image is moved along each axis, with black filling the gap (He et al. 2015).
    cutout: side, in pixels, of a square that is set to the mean colour (DeVries and Taylor 2017). Its centre is any
    pixel, so parts of it may fall outside the image. The mean colour of the training images is 0 after
    normalization, so that, as in the paper, the square hardly changes the statistics of a batch.

    Raises:
        ValueError: crop or cutout is negative.
    """

    flip: bool = False
    crop: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name, pixels in self._sizes.items():
            if pixels < 0:
                raise ValueError(f"{name} must be at least 0 pixels, but got {name}={pixels}")

    def check(self, height: int, width: int) -> None:
        """Raise `ValueError` if a crop or cutout is as large as images of height x width pixels."""
        for name, pixels in self._sizes.items():
            if pixels >= min(height, width):
                raise ValueError(
                    f"{name} must be smaller than the images, but got {name}={pixels} for images of "
                    f"{height} x {width} pixels; use {min(height, width) - 1} at most"
                )

    @property
    def _sizes(self) -> dict[str, int]:
        return {"crop": self.crop, "cutout": self.cutout}


UNCHANGED = Augmentation()
