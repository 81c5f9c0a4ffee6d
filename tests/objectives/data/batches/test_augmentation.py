"""What may be asked of augmentation."""

from typing import Any

import pytest

from objectives.data.batches.augmentation import UNCHANGED, Augmentation


def test_nothing_changes_by_default() -> None:
    assert Augmentation() == UNCHANGED == Augmentation(flip=False, crop=0, cutout=0)


@pytest.mark.parametrize("name", ["crop", "cutout"])
def test_a_size_below_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 0 pixels, but got {name}=-1"):
        Augmentation(**{name: -1})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"brightness": 1.5}, "0 <= brightness <= 1 must hold, but got brightness=1.5"),
        ({"contrast": float("nan")}, "0 <= contrast <= 1 must hold, but got contrast=nan"),
        ({"crop_padding": "edge"}, "crop_padding must be zeros or reflect, but got 'edge'"),
        ({"flip": True, "alternating_flip": True}, "flip and alternating_flip both mirror images; use one of them"),
    ],
)
def test_what_has_no_meaning_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Augmentation(**changes)


@pytest.mark.parametrize("name", ["crop", "cutout"])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (7, 5)])
def test_a_size_as_large_as_the_image_is_refused_with_both(name: str, height: int, width: int) -> None:
    Augmentation(**{name: 4}).check(height, width)
    with pytest.raises(ValueError, match=rf"{name}=5 for images of {height} x {width} pixels; use 4 at most"):
        Augmentation(**{name: 5}).check(height, width)
