"""How images become an exported network's input, as `config.json` of a model folder says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = "depthsearch-model/1"
LAYOUT = "uint8 images (batch, height, width, channels)"


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How images become a network's input; `model.pt2` does what follows the resizing by itself."""

    height: int
    width: int
    channels: int
    """1 for grayscale, 3 for RGB."""
    resize: int | None
    """To how many pixels the shorter side is resized before the centre is cropped; None if nothing is resized."""
    mean: tuple[float, ...]
    """Of each channel, for pixels from 0 to 1."""
    std: tuple[float, ...]
    layout: str = LAYOUT

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Preprocessing:
        """Return what `config.json` has.

        Raises:
            KeyError, TypeError, ValueError: it is not what an export writes.
        """
        height, width, channels = (int(document[name]) for name in ("height", "width", "channels"))
        mean, std = (tuple(map(float, document[name])) for name in ("mean", "std"))
        resize = None if document["resize"] is None else int(document["resize"])
        if min(height, width) < 1 or channels not in (1, 3) or not len(mean) == len(std) == channels:
            raise ValueError(f"images of {height}x{width}x{channels} cannot be prepared")
        if not (all(map(math.isfinite, (*mean, *std))) and min(std) > 0):
            raise ValueError(f"images cannot be normalized by the mean {mean} and the deviation {std}")
        if resize is not None and not resize == height == width:
            raise ValueError(f"images that are resized to {resize} do not become {height}x{width}")
        return cls(height=height, width=width, channels=channels, resize=resize, mean=mean, std=std)
