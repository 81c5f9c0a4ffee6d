"""Processes that cannot be started are an error, with one sentence, and never a good end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from storage import url
from storage.database import open_database

# /bin/false stands for a Python that the system ends at once, for lack of memory or of the right to run it.
SCRIPT = """
import multiprocessing
import sys

from search.cli.error_handling import run_guarded
from search.workers.processes import start_fork_server, start_process

multiprocessing.set_executable("/bin/false")
sys.exit(run_guarded(lambda **_: start_process(start_fork_server().Process(target=print))))
"""


def test_no_fork_server() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: the process that starts workers does not answer (")
    assert "Traceback" not in ended.stderr


OPEN = """
import sys

import search.workers.preload
from storage import url
from storage.database import connect

imported = {*sys.modules}
connect(url.parse(sys.argv[1])).close()
print(*sorted({*sys.modules} - imported))
"""


@pytest.mark.long
def test_a_worker_that_opens_its_storage_imports_nothing_more(database_url: str) -> None:
    with open_database(url.parse(database_url)):
        pass  # there are tables now
    opened = subprocess.run([sys.executable, "-c", OPEN, database_url], capture_output=True, text=True, check=True)
    assert [name for name in opened.stdout.split() if name.startswith(("alembic", "optuna", "sqlalchemy"))] == []
