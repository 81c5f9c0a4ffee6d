"""Which random changes are made to training images; `random_changes` makes them."""

from dataclasses import dataclass

PADDINGS = ("zeros", "reflect")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of training images, drawn again for every image in every epoch; none by default.

    flip: whether to mirror half of the images left to right.
    alternating_flip: whether to mirror each image in every second epoch; a hash of its index says in which, so that
    two epochs in a row show each image both ways (Jordan 2024).
    crop: the most pixels that an image is moved along each axis (He et al. 2015).
    crop_padding: what fills the gap: `zeros` (black), or `reflect`, the image mirrored at its border.
    brightness: every pixel times a factor from 1 - brightness to 1 + brightness, the same in all of an image.
    contrast: every pixel's difference from the image's mean gray times such a factor, after the brightness. Pixels
    beyond black and white are cut off after each of the two, as torchvision's `ColorJitter` does.
    cutout: side, in pixels, of a square that is set to the mean colour (DeVries and Taylor 2017). Its centre is any
    pixel, so parts of it may fall outside the image. The mean colour of the training images is 0 after
    normalization, so that, as in the paper, the square hardly changes the statistics of a batch.

    Raises:
        ValueError: crop or cutout is negative, brightness or contrast is not from 0 to 1, the padding is unknown, or
            images are to be flipped in both ways.
    """

    flip: bool = False
    alternating_flip: bool = False
    crop: int = 0
    crop_padding: str = "zeros"
    brightness: float = 0.0
    contrast: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.flip and self.alternating_flip:
            raise ValueError("flip and alternating_flip both mirror images; use one of them")
        if self.crop_padding not in PADDINGS:
            raise ValueError(f"crop_padding must be {' or '.join(PADDINGS)}, but got {self.crop_padding!r}")
        for name, share in {"brightness": self.brightness, "contrast": self.contrast}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"0 <= {name} <= 1 must hold, but got {name}={share}")
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
    def recolours(self) -> bool:
        """Whether colours are changed."""
        return self.brightness > 0 or self.contrast > 0

    @property
    def _sizes(self) -> dict[str, int]:
        return {"crop": self.crop, "cutout": self.cutout}


UNCHANGED = Augmentation()
