"""Where things are kept, and that asking creates nothing."""

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", ["home", "cache"])
def test_a_user_without_a_home_folder_is_told_what_to_set(name: str) -> None:
    program = f"""
import os, sys
from storage import errors, paths
for name in ("HOME", "XDG_CONFIG_HOME"):
    os.environ.pop(name, None)
os.setuid(12345)
assert paths.config_file() is None
try:
    paths.{name}({{}})
except errors.StorageError as error:
    sys.exit(str(error))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert ended.stderr.startswith(
        f"SEARCH_{name.upper()} is needed, because this user has no home folder: HOME is not"
    )
    assert "user id 12345 is not in /etc/passwd; set SEARCH_HOME and SEARCH_CACHE to absolute folders" in ended.stderr
