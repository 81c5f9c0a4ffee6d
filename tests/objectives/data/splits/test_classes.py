"""Which classes, and which numbers they get."""

import numpy as np
import pytest

from objectives.data.files.errors import DataError, ImpossibleClasses
from objectives.data.splits.classes import NOT_CHOSEN, choose_classes, find_members, renumber

KNOWN = ("T-shirt/top", "Trouser", "Pullover", "Dress")
LABELS = np.array([3, 0, 2, 1, 0, 2])


def test_none_is_all_of_them() -> None:
    assert choose_classes("clothes", KNOWN, None) == KNOWN
    assert renumber(LABELS, KNOWN, KNOWN).tolist() == LABELS.tolist()
    assert find_members("clothes", LABELS, KNOWN, None).tolist() == [0, 1, 2, 3, 4, 5]


def test_classes_are_numbered_in_the_order_given() -> None:
    chosen = choose_classes("clothes", KNOWN, ["Pullover", "T-shirt/top"])
    assert chosen == ("Pullover", "T-shirt/top")
    assert renumber(LABELS, KNOWN, chosen).tolist() == [NOT_CHOSEN, 1, 0, NOT_CHOSEN, 1, 0]
    assert renumber(LABELS, KNOWN, chosen).dtype == np.int64
    assert find_members("clothes", LABELS, KNOWN, chosen).tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            ("Trouser", "pulover"),
            "clothes has no class 'pulover'; did you mean 'Pullover'? its classes are T-shirt",
        ),
        (("t-shirt", "Trouser"), "clothes has no class 't-shirt'; did you mean 'T-shirt/top'? its classes are"),
        (("Trouser", "zzz"), "clothes has no class 'zzz'; its classes are T-shirt/top, Trouser, Pullover, Dress"),
        (("Dress", "Trouser", "Dress"), "named once, but 'Dress' is in ['Dress', 'Trouser', 'Dress'] twice"),
        (("Dress",), "at least two classes, but got ['Dress']; its classes are T-shirt/top, "),
        ((), "at least two classes, but got []"),
    ],
)
def test_impossible_classes_are_refused_in_a_sentence(wanted: tuple[str, ...], message: str) -> None:
    with pytest.raises(ImpossibleClasses) as error:
        choose_classes("clothes", KNOWN, wanted)
    assert message in str(error.value)
    assert issubclass(ImpossibleClasses, DataError)


def test_a_number_for_a_name_is_told_the_name() -> None:
    with pytest.raises(ImpossibleClasses, match="digits has no class 3; did you mean '3'"):
        choose_classes("digits", tuple("0123456789"), (3, 5))  # type: ignore[arg-type]


def test_a_class_without_examples_cannot_be_asked_for() -> None:
    some = np.array([0, 0, 1])
    with pytest.raises(ImpossibleClasses, match="clothes has no training example of class 'Pullover'"):
        find_members("clothes", some, KNOWN, ("Trouser", "Pullover"))
    assert find_members("clothes", some, KNOWN, None).tolist() == [0, 1, 2]
