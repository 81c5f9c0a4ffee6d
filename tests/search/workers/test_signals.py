"""A signal is handled wherever it arrives, once, and cleaning up after it is not cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

PROGRAM = """
import os, signal, time
from search.errors import Interrupted
from search.signals import end_on_first

end_on_first()
{body}
"""

IN_A_FINALIZER = """
class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

try:
    Finalized()
    time.sleep(10)
    print("lost")
except Interrupted as error:
    print("heard", error.args[0])
"""

TWICE = """
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except Interrupted:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    print("cleaned up")
"""


def outcome(body: str) -> tuple[str, str]:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.format(body=body)], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip(), ended.stderr.strip()


def test_a_signal_in_a_finalizer_is_not_lost() -> None:
    assert outcome(IN_A_FINALIZER) == (f"heard {int(signal.SIGTERM)}", "")


def test_the_second_signal_does_not_cut_cleaning_up_short() -> None:
    assert outcome(TWICE) == ("cleaned up", "")


def test_a_command_that_waits_ends_cleanly(database_url: str) -> None:
    from tests.search.command import start

    process = start("dashboard", "--port", "0", "--storage", database_url)
    assert process.stdout is not None
    assert "http://" in process.stdout.readline()
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "Traceback" not in err
