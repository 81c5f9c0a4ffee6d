"""Measure a GPU: epochs against loops by hand, then whole searches; a table, and JSON with `--out`.

    python -m tests.benchmarks.gpu [--parts epochs,searches] [--seeds N] [--seconds S] [--out FILE]

The data are those of the settings (`SEARCH_DATA`): Fashion-MNIST and CIFAR-10. Three minutes in all.
"""

import argparse
import json
from pathlib import Path

import torch

from search.settings import load
from tests.benchmarks.gpu.epochs import CONFIGURATIONS, compare
from tests.benchmarks.gpu.searches import measure

EPOCHS = {"fashion-depth": 12, "cifar-resnet": 6, "cifar-conv": 6}


def main() -> None:
    """Read the command line, measure, and say on what."""
    parser = argparse.ArgumentParser(description="Measure epochs and searches on this machine's first GPU.")
    parser.add_argument("--parts", default="epochs,searches")
    parser.add_argument("--networks", default=",".join(CONFIGURATIONS))
    parser.add_argument("--seeds", type=int, default=0, help="seeds to compare the accuracy of eager and graph over")
    parser.add_argument("--workers", default="1,8,16,auto")
    parser.add_argument("--objective", default="fashion-depth")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each search")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}", flush=True)
    found: dict[str, object] = {"device": torch.cuda.get_device_name(0), "torch": torch.__version__}
    if "epochs" in given.parts:
        for name in given.networks.split(","):
            found[name] = compare(name, EPOCHS[name], given.seeds if name == "fashion-depth" else 0, load())
    if "searches" in given.parts:
        for workers in given.workers.split(","):
            found[f"search {given.objective} {workers}"] = measure(given.objective, workers, given.seconds)
    if given.out:
        given.out.write_text(json.dumps(found, indent=1))


main()
