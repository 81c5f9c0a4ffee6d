"""Counted nouns."""

import pytest

from objectives.base.plurals import count_noun


@pytest.mark.parametrize(("count", "shown"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs")])
def test_a_noun_has_its_number(count: int, shown: str) -> None:
    assert count_noun(count, "epoch") == shown


def test_an_irregular_plural_is_given() -> None:
    assert [count_noun(count, "study", "studies") for count in (1, 2)] == ["1 study", "2 studies"]
