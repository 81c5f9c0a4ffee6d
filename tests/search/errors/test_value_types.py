"""A request for a study holds values of the types that flags have."""

from __future__ import annotations

from typing import Any

import pytest

from search.errors import UsageError
from search.study.plan import StudyRequest


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("trials", "5", "--trials takes a whole number, but got '5'"),
        ("trials", 2.5, "--trials takes a whole number, but got '2.5'"),
        ("seed", "a", "--seed takes a whole number, but got 'a'"),
        ("repeats", True, "--repeats takes a whole number, but got 'True'"),
        ("timeout", "5", "--timeout takes a number, but got '5'"),
        ("validation_fraction", "0.1", "--validation-fraction takes a number"),
        ("sampler", 3, "--sampler takes a text, but got '3'"),
        ("study", 7, "--study takes a text, but got '7'"),
        ("budget", 20, "--budget is a number of full trainings"),
    ],
)
def test_a_value_of_another_type_is_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        StudyRequest(**({"study": "s"} | {field: value}))
    assert str(caught.value).startswith(words)


def test_a_whole_number_is_a_number() -> None:
    assert StudyRequest(study="s", timeout=5).timeout == 5
