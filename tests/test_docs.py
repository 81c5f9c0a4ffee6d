"""What README.md takes from the code is what the code says."""

import pytest

from tests import readme


@pytest.mark.parametrize("name", readme.parts())
def test_the_part_is_up_to_date(name: str) -> None:
    expected = readme.parts()[name]
    assert expected.count("\n") > 10
    assert readme.current(name) == expected, "write it anew with: python -m tests.readme"
