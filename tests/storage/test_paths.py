"""Where things are kept, and that asking creates nothing."""

import os
from pathlib import Path

import platformdirs

from storage import paths


def test_the_environment_names_both_folders(tmp_path: Path) -> None:
    environ = {"SEARCH_HOME": str(tmp_path / "home"), "SEARCH_CACHE": str(tmp_path / "cache")}

    assert paths.home(environ) == tmp_path / "home"
    assert paths.cache(environ) == tmp_path / "cache"
    assert list(tmp_path.iterdir()) == []


def test_the_default_is_the_platform_s_except_for_the_home_of_root() -> None:
    own = platformdirs.user_data_path("depthsearch")
    assert paths.home({}) == (Path("/var/lib/depthsearch") if os.geteuid() == 0 else own)
    assert paths.home({"SEARCH_HOME": ""}) == paths.home({})
    assert paths.cache({}) == platformdirs.user_cache_path("depthsearch")


def test_a_relative_or_home_folder_is_made_absolute() -> None:
    assert paths.home({"SEARCH_HOME": "here"}) == Path.cwd() / "here"
    assert paths.cache({"SEARCH_CACHE": "~/there"}) == Path.home() / "there"
