"""What each tracker has, printed as JSON by a process in which its package is installed: `readers.py NAME PLACE`.

By the name of each run: its parameters, the accuracy of its epochs with their steps, and how it ended.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 32768


def read_mlflow(place: str) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(place)
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            history = client.get_metric_history(run.info.run_id, "accuracy")
            found[run.info.run_name] = {
                "params": dict(run.data.params),
                "epochs": [[metric.step, metric.value] for metric in history],
                "metrics": sorted(run.data.metrics),
                "end": run.info.status,
                "tags": dict(run.data.tags),
                "id": run.info.run_id,
            }
    return found


def read_wandb(place: str) -> dict[str, Any]:
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Any] = defaultdict(lambda: {"epochs": [], "metrics": set(), "params": {}, "exits": []})
    for file in sorted(Path(place).glob("wandb/offline-run-*/*.wandb")):
        name = ""
        for content in read_records(file.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(content)
            if record.WhichOneof("record_type") == "run":
                name = record.run.display_name
                config = {item.key: json.loads(item.value_json) for item in record.run.config.update}
                found[name]["params"].update(config)
                found[name]["group"] = record.run.run_group
            if record.WhichOneof("record_type") == "history":
                row = {
                    (item.key or ".".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item
                }
                found[name]["epochs"].append([record.history.step.num, row["accuracy"]])
                found[name]["metrics"] |= set(row)
            if record.WhichOneof("record_type") == "exit":
                found[name]["exits"].append(record.exit.exit_code)
    return {name: {**each, "metrics": sorted(each["metrics"])} for name, each in found.items()}


def read_records(content: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, after W&B's header."""
    start, parts = 7, b""
    while start + 7 <= len(content):
        if BLOCK - start % BLOCK < 7:
            start += BLOCK - start % BLOCK
            continue
        length, kind = int.from_bytes(content[start + 4 : start + 6], "little"), content[start + 6]
        parts += content[start + 7 : start + 7 + length]
        start += 7 + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield parts
            parts = b""


def read_trackio(place: str) -> dict[str, Any]:
    found: dict[str, Any] = defaultdict(lambda: {"epochs": [], "metrics": set(), "end": {}, "params": {}})
    connection = sqlite3.connect(Path(place) / "depthsearch.db")
    for name, step, text in connection.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id"):
        row = json.loads(text)
        if "accuracy" in row:
            found[name]["epochs"].append([step, row["accuracy"]])
            found[name]["metrics"] |= set(row)
        else:
            found[name]["end"] = row
    for name, text in connection.execute("SELECT run_name, config FROM configs"):
        found[name]["params"] = json.loads(text)
    return {name: {**each, "metrics": sorted(each["metrics"])} for name, each in found.items()}


if __name__ == "__main__":
    print(json.dumps({"mlflow": read_mlflow, "wandb": read_wandb, "trackio": read_trackio}[sys.argv[1]](sys.argv[2])))
