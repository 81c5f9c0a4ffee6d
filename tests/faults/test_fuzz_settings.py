"""Settings files: any bytes and any values give settings, or one sentence that shows no password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.errors import UsageError
from search.settings import Settings, load
from tests.faults.fuzz import BREAKS, FUZZ, TEXTS, damaged, one_line

pytestmark = pytest.mark.faults

SECRET = "hunter2horse"
URL = f"postgresql://ada:{SECRET}@db/studies"
WHOLE = b'storage = "postgresql://ada@db/studies"\ndata = "/data"\nworkers = 4\nlease_seconds = 30.5\ndevice = "cpu"\n'
VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        ("true", "[]", "{}", "[1, 2]", '{a = "b"}', "nan", "inf", "1979-05-27", "07:32:00", "''", '"', "=")
    ),
    st.sampled_from((f'"{URL}"', f'["{URL}"]', f'{{url = "{URL}"}}', f"'''\n{URL}\n'''", f'"{URL}', URL)),
    st.sampled_from(
        ("[" * 3000, "[" * 3000 + "]" * 3000, "{a=" * 3000, '"' + "x" * 20_000 + '"', '"\\u0000"', '"\\ud800"')
    ),
    TEXTS.map(repr),
    TEXTS,
)
NAMES = st.one_of(
    st.sampled_from((*Settings.model_fields, "SEARCH_DATA", "Workers", "storag", "storage.url", "")),
    st.builds("{}{}{}".format, st.just('"a'), st.one_of(BREAKS, st.just("\\n")), st.just('b"')),
    TEXTS,
)
LINES = st.lists(st.builds("{} = {}".format, NAMES, VALUES), min_size=1, max_size=3).map("\n".join)
TABLES = st.builds("[{}]\n{}".format, NAMES, LINES)


def _check_secret(said: str) -> None:
    assert SECRET not in said


def _load(content: bytes, file: Path) -> Settings | None:
    """Return the settings of a file with this content; None if they are refused with a proper error."""
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEARCH_CONFIG", str(file))
        try:
            settings = load()
        except UsageError as error:
            _check_secret(one_line(error, naming=str(file)))
            return None
    assert not settings.storage or settings.storage not in repr(settings)
    return settings


@FUZZ
@given(content=st.one_of(LINES, LINES, TABLES).map(lambda text: text.encode(errors="surrogatepass")))
@example(content=f'storage = ["{URL}"]'.encode())
@example(content=f'workers = "{URL}"'.encode())
@example(content=b"data = " + b"[" * 3000)
def test_any_value_is_a_setting_or_one_sentence(content: bytes, tmp_path: Path) -> None:
    _load(content, tmp_path / "search.toml")


@FUZZ
@given(content=st.one_of(damaged(WHOLE), st.binary(max_size=200)))
def test_any_bytes_are_settings_or_one_sentence(content: bytes, tmp_path: Path) -> None:
    _load(content, tmp_path / "search.toml")


@FUZZ
@given(name=st.sampled_from(sorted(Settings.model_fields)), value=TEXTS)
def test_any_variable_is_a_setting_or_one_sentence(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        try:
            patch.setenv(f"SEARCH_{name.upper()}", value)
        except (ValueError, UnicodeEncodeError):
            return  # the system has no such variables
        assert os.environ[f"SEARCH_{name.upper()}"] == value
        try:
            load()
        except UsageError as error:
            one_line(error)
