"""Epochs a second of whole searches on one GPU, and how busy it is."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from sqlalchemy import text

from search.connection import open_for_reading
from search.settings import load

LAST_SECONDS = 12
RATE = text(
    "SELECT count(*) FROM depthsearch.epochs JOIN trials USING (trial_id) JOIN studies USING (study_id) "
    "WHERE study_name = :study AND reported_at > (SELECT max(reported_at) FROM depthsearch.epochs JOIN trials USING "
    "(trial_id) JOIN studies USING (study_id) WHERE study_name = :study) - make_interval(secs => :seconds)"
)
STEPS = text(
    "SELECT split_part(value_json::jsonb #>> '{}', ':', 1), count(*) FROM trial_user_attributes "
    "JOIN trials USING (trial_id) JOIN studies USING (study_id) WHERE study_name = :study AND key = 'step' GROUP BY 1"
)
"""How many trials took their steps as one graph, and how many one by one."""


@contextlib.contextmanager
def utilization(found: list[float]) -> Iterator[None]:
    """Append the GPU's utilization in percent twice a second while the block runs."""
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = process.stdout
        reader = threading.Thread(target=lambda: found.extend(float(line) for line in lines if line.strip().isdigit()))
        reader.start()
        try:
            yield
        finally:
            process.terminate()
            reader.join()


def measure(objective: str, workers: str, seconds: float, **environment: str) -> dict[str, float]:
    """Search for a while; return the epochs a second and the GPU's mean utilization over the last seconds.

    workers: a number, or `auto` for as many as the program takes.
    """
    label = "-".join((objective, workers, *environment.values()))
    arguments = ["--study", label, "--objective", objective, "--device", "cuda", "--experience", "none"]
    chosen = [] if workers == "auto" else ["--workers", workers]
    command = [sys.executable, "-m", "search", "run", *arguments, "--trials", "9000", *chosen]
    busy: list[float] = []
    with utilization(busy):
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=25)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
    with open_for_reading(load()) as database, database.engine.begin() as connection:
        epochs = connection.execute(RATE, {"study": label, "seconds": LAST_SECONDS}).scalar() or 0
        steps = dict(connection.execute(STEPS, {"study": label}).tuples().all())
    last = busy[-2 * LAST_SECONDS - 6 : -6] or [0.0]
    rate, mean = epochs / LAST_SECONDS, statistics.fmean(last)
    print(f"{label:28} {rate:7.1f} epochs a second, GPU {mean:.0f}% busy; trials by step: {steps}", flush=True)
    if not epochs or steps.keys() != {"graph"}:
        print(errors[-600:])
    return {"epochs_s": rate, "busy": mean, **{f"trials, {name}": count for name, count in steps.items()}}
