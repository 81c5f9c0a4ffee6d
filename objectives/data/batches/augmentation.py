"""Which random changes training images go through; how they are made is in `pixels`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of training images, drawn anew for every image in every epoch; none by default.

    flip: mirrors half of the images left to right.
    crop: moves an image by up to so many pixels along each side, black coming in (He et al. 2015); 0 for none.
    cutout: side in pixels of a square that is wiped out of an image (DeVries and Taylor 2017); 0 for none. Its
    centre is any pixel, so parts of it may fall outside; it takes the mean colour of what is trained on, which
    is 0 after normalization: as in the paper, so that it hardly moves the statistics of a batch.

    Raises ValueError: crop or cutout is negative.
    """

    flip: bool = False
    crop: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name, pixels in self._sizes.items():
            if pixels < 0:
                raise ValueError(f"{name} must be at least 0 pixels, but got {name}={pixels}.")

    def check(self, height: int, width: int) -> None:
        """Raises ValueError where a crop or cutout is as large as images of so many pixels."""
        for name, pixels in self._sizes.items():
            if pixels >= min(height, width):
                raise ValueError(
                    f"{name} must be smaller than the images, but got {name}={pixels} for images of "
                    f"{height} x {width} pixels: choose {min(height, width) - 1} at most."
                )

    @property
    def _sizes(self) -> dict[str, int]:
        return {"crop": self.crop, "cutout": self.cutout}


UNCHANGED = Augmentation()
